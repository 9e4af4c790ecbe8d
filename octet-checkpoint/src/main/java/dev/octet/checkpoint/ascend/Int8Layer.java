package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Set;

/** {@code W8A8_DYNAMIC} and {@code W8A16}: {@code .weight} I8 [n, k] and its scales. */
record Int8Layer(StoredTensors tensors, LinearShape shape, Grid grid, ActivationQuant activation)
    implements Layer {

  static Int8Layer of(
      StoredTensors tensors, LinearShape shape, int group, ActivationQuant activation) {
    return new Int8Layer(tensors, shape, new Grid(tensors, shape, "", group, 8), activation);
  }

  /** The codes of any layer that stores one a byte. */
  static Tensor codes(StoredTensors tensors, LinearShape shape) {
    return tensors.require(
        shape.module() + ".weight", Set.of(DType.I8), shape.rows(), shape.columns());
  }

  @Override
  public void check() {
    codes(tensors, shape);
    grid.check();
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    return new LinearWeights(
        new Int8Weight(codes(tensors, shape), grid.read()),
        DenseFormat.bias(tensors, shape),
        activation);
  }
}
