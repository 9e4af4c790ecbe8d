package dev.octet.checkpoint.modelopt;

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
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * Reads Model Optimizer's checkpoints. What is stored as a wide float is dense; {@code
 * exclude_modules} and {@code ignore} only say so too.
 */
public final class ModelOptFormat implements LinearFormat {
  private final ModelOptSettings settings;
  private final StoredTensors tensors;
  private final DenseFormat dense;
  private final CacheScales cacheScales;

  /**
   * Reads the settings.
   *
   * @param fields {@code quantization} of hf_quant_config.json, or {@code quantization_config}
   */
  public ModelOptFormat(Fields fields, ModelConfig config, StoredTensors tensors) {
    this.settings = new ModelOptSettings(fields);
    this.tensors = tensors;
    this.dense = new DenseFormat(tensors);
    this.cacheScales = new CacheScales(settings.cache(), settings.cache() != null, config, tensors);
  }

  @Override
  public String name() {
    return settings.name();
  }

  @Override
  public void check(LinearShape shape) {
    Optional<ModelOptLayer> layer = layer(shape);
    if (layer.isPresent()) {
      layer.get().check();
    } else {
      dense.check(shape);
    }
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    Optional<ModelOptLayer> layer = layer(shape);
    return layer.isPresent() ? layer.get().read() : dense.read(shape);
  }

  private Optional<ModelOptLayer> layer(LinearShape shape) {
    Tensor weight = tensors.get(shape.module() + ".weight");
    String scale = shape.module() + ".weight_scale";
    if (DenseFormat.FLOATS.contains(weight.dtype())) {
      if (tensors.has(scale)) {
        throw tensors.problem(scale, "is there, but the weight is " + weight.dtype());
      }
      return Optional.empty();
    }
    return settings.of(shape.module()).map(layer -> new ModelOptLayer(tensors, shape, layer));
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
    return settings.problems().isEmpty() ? cacheScales.problems() : settings.problems();
  }
}
