package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Set;

/** {@code WFP8AFP8_DYNAMIC}: {@code .weight} F8_E4M3 [n, k], one scale a row, no offsets. */
record Fp8Layer(StoredTensors tensors, LinearShape shape, Grid grid) implements Layer {

  static Fp8Layer of(StoredTensors tensors, LinearShape shape) {
    return new Fp8Layer(tensors, shape, new Grid(tensors, shape, "", 0, 8));
  }

  @Override
  public void check() {
    codes();
    grid.check();
    grid.requireChannels();
    grid.requireSymmetric();
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    return new LinearWeights(
        new Fp8Weight(codes(), grid.read()),
        DenseFormat.bias(tensors, shape),
        new ActivationQuant.DynamicFp8());
  }

  private Tensor codes() {
    return tensors.require(
        shape.module() + ".weight", Set.of(DType.F8_E4M3), shape.rows(), shape.columns());
  }
}
