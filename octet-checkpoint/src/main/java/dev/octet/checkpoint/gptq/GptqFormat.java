package dev.octet.checkpoint.gptq;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.LinearWeights;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Reads GPTQ checkpoints. A layer is quantized where its {@code qweight} is stored and no rule of
 * {@code dynamic} excludes it; others are dense.
 */
public final class GptqFormat implements LinearFormat {
  private final GptqSettings settings;
  private final StoredTensors tensors;
  private final DenseFormat dense;

  /**
   * Reads the settings.
   *
   * @param fields {@code quantization_config}, or quantize_config.json where there is none
   * @param other quantize_config.json where both are there, or null
   */
  public GptqFormat(Fields fields, @Nullable Fields other, StoredTensors tensors) {
    this.settings = new GptqSettings(fields, other, tensors.metadata("gptq_checkpoint_format"));
    this.tensors = tensors;
    this.dense = new DenseFormat(tensors);
  }

  @Override
  public String name() {
    return settings.second() ? "gptq (v2)" : "gptq";
  }

  @Override
  public void check(LinearShape shape) {
    Optional<GptqLayer> layer = layer(shape);
    if (layer.isPresent()) {
      layer.get().check();
    } else {
      dense.check(shape);
    }
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    Optional<GptqLayer> layer = layer(shape);
    return layer.isPresent() ? layer.get().read() : dense.read(shape);
  }

  private Optional<GptqLayer> layer(LinearShape shape) {
    Optional<GptqSettings.Layer> quantized = settings.of(shape.module());
    String weight = shape.module() + ".weight";
    boolean packed = tensors.has(shape.module() + ".qweight");
    if (packed && tensors.has(weight)) {
      throw tensors.problem(weight, "is stored beside its quantized form");
    }
    if (quantized.isEmpty() || (!packed && tensors.has(weight))) {
      return Optional.empty();
    }
    return Optional.of(new GptqLayer(tensors, shape, quantized.get(), settings.second()));
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }
}
