package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Unquantized linear layers: {@code .weight} [n, k] and perhaps {@code .bias} [n]. */
public final class DenseFormat implements LinearFormat {
  /** Types that weights, norms and biases may have. */
  public static final Set<DType> FLOATS = EnumSet.of(DType.F32, DType.F16, DType.BF16);

  private final StoredTensors tensors;

  public DenseFormat(StoredTensors tensors) {
    this.tensors = tensors;
  }

  @Override
  public String name() {
    return "dense";
  }

  @Override
  public void check(LinearShape shape) {
    tensors.require(shape.module() + ".weight", FLOATS, shape.rows(), shape.columns());
    checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    Tensor weight =
        tensors.require(shape.module() + ".weight", FLOATS, shape.rows(), shape.columns());
    return new LinearWeights(
        new DenseWeight(weight), bias(tensors, shape), new ActivationQuant.None());
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }

  /** A bias must be there if the architecture has one; where one is stored anyway, it counts. */
  public static void checkBias(StoredTensors tensors, LinearShape shape) {
    String name = shape.module() + ".bias";
    if (shape.bias() || tensors.has(name)) {
      tensors.require(name, FLOATS, shape.rows());
    }
  }

  /** The bias as F32, or null. */
  public static @Nullable Tensor bias(StoredTensors tensors, LinearShape shape) {
    return tensors.vector(shape.module() + ".bias", FLOATS, shape.rows());
  }
}
