package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.internal.CacheScales;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.LinearWeights;
import java.util.List;
import java.util.Optional;

/**
 * Reads compressed-tensors (vllm-project/compressed-tensors): {@code int-quantized}, {@code
 * pack-quantized}, {@code float-quantized}, {@code naive-quantized} and the packed FP4 layers, also
 * mixed; layers that no group claims are dense.
 */
public final class CompressedTensorsFormat implements LinearFormat {
  private final Settings settings;
  private final StoredTensors tensors;
  private final DenseFormat dense;
  private final CacheScales cacheScales;

  /**
   * Reads the settings.
   *
   * @param fields the {@code quantization_config}
   */
  public CompressedTensorsFormat(Fields fields, ModelConfig config, StoredTensors tensors) {
    this.settings = new Settings(fields);
    this.tensors = tensors;
    this.dense = new DenseFormat(tensors);
    CacheSettings cache = settings.cache();
    this.cacheScales =
        new CacheScales(cache.type().orElse(null), cache.declared(), config, tensors);
  }

  @Override
  public String name() {
    return "compressed-tensors";
  }

  @Override
  public void check(LinearShape shape) {
    Optional<Settings.Group> group = settings.groupOf(shape.module());
    if (group.isPresent()) {
      QuantizedLayer.of(tensors, shape, group.get()).check();
    } else {
      dense.check(shape);
    }
    int _ = order(shape);
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    Optional<Settings.Group> group = settings.groupOf(shape.module());
    LinearWeights layer =
        group.isPresent()
            ? QuantizedLayer.of(tensors, shape, group.get()).read()
            : dense.read(shape);
    int order = order(shape);
    return order == 0 ? layer : layer.withInputHadamard(order);
  }

  private int order(LinearShape shape) {
    return settings.transforms().order(tensors, shape.module(), shape.columns());
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return cacheScales.of(layer);
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return cacheScales.query(layer);
  }

  @Override
  public List<String> scaleProblems() {
    return cacheScales.problems();
  }

  @Override
  public List<String> notices() {
    return settings.notices();
  }
}
