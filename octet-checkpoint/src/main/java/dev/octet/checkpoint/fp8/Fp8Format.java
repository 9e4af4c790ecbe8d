package dev.octet.checkpoint.fp8;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.internal.CacheScales;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * Reads FP8 checkpoints. What is stored as a wide float is dense; {@code modules_to_not_convert}
 * and {@code ignored_layers} only say so too.
 */
public final class Fp8Format implements LinearFormat {
  private final Fp8Settings settings;
  private final StoredTensors tensors;
  private final DenseFormat dense;
  private final CacheScales cacheScales;

  /**
   * Reads the settings.
   *
   * @param fields the {@code quantization_config}
   */
  public Fp8Format(Fields fields, ModelConfig config, StoredTensors tensors) {
    this.settings = Fp8Settings.read(fields);
    this.tensors = tensors;
    this.dense = new DenseFormat(tensors);
    this.cacheScales =
        new CacheScales(DType.F8_E4M3, fields.isFilled("kv_cache_scheme"), config, tensors);
  }

  @Override
  public String name() {
    return settings.name();
  }

  @Override
  public void check(LinearShape shape) {
    if (quantized(shape)) {
      read(shape); // codes are views; only scales are copied
    } else {
      dense.check(shape);
    }
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    if (!quantized(shape)) {
      return dense.read(shape);
    }
    Fp8Weight weight =
        settings.blocks()
            ? StoredFp8.blocks(tensors, shape, settings.blockRows(), settings.blockColumns())
            : StoredFp8.read(tensors, shape);
    ActivationQuant input = settings.fixed() ? StoredFp8.input(tensors, shape) : settings.dynamic();
    return new LinearWeights(weight, DenseFormat.bias(tensors, shape), input);
  }

  private boolean quantized(LinearShape shape) {
    Tensor weight = tensors.get(shape.module() + ".weight");
    boolean wide = DenseFormat.FLOATS.contains(weight.dtype());
    for (String suffix : new String[] {".weight_scale", ".weight_scale_inv"}) {
      if (wide && tensors.has(shape.module() + suffix)) {
        throw tensors.problem(
            shape.module() + suffix, "is there, but the weight is " + weight.dtype());
      }
    }
    return !wide;
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
}
