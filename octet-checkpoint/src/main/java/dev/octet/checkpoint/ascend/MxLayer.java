package dev.octet.checkpoint.ascend;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Set;

/**
 * {@code W8A8_MXFP8}, {@code W4A8_MXFP} and {@code W4A4_MXFP4}: {@code .weight} F8_E4M3 [n, k], or
 * U8 [n, k/2] of two E2M1, the even column in the low nibble; {@code .weight_scale} U8 [n, ⌈k/32⌉],
 * exponents plus 127. Inputs are computed so, too.
 *
 * @param bits of a weight, 8 or 4
 * @param inputBits of an input, 8 or 4
 */
record MxLayer(StoredTensors tensors, LinearShape shape, int bits, int inputBits) implements Layer {
  private static final int GROUP = ActivationQuant.DynamicMx.GROUP;
  private static final Set<DType> EXPONENTS = Set.of(DType.U8, DType.F8_E8M0);

  /** The exponent that stands for no number. */
  private static final byte NAN = (byte) 0xFF;

  @Override
  public void check() {
    codes();
    Tensor scales = scales();
    for (long i = 0; i < scales.size(); i++) {
      if (scales.segment().get(JAVA_BYTE, i) == NAN) {
        throw tensors.problem(name("weight_scale"), "holds NaN at index " + i);
      }
    }
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    return new LinearWeights(
        weight(),
        DenseFormat.bias(tensors, shape),
        new ActivationQuant.DynamicMx(inputBits));
  }

  private QuantizedWeight weight() {
    Tensor scales = scales();
    if (bits == 4) {
      return new Fp4Weight(codes(), shape.columns(), scales, GROUP, 1);
    }
    ScaleGrid grid =
        new ScaleGrid(
            ScaleGranularity.GROUP, 1, GROUP, scales.to(DType.F32, Arena.ofAuto()), null);
    return new Fp8Weight(codes(), grid);
  }

  private String name(String suffix) {
    return shape.module() + "." + suffix;
  }

  private Tensor codes() {
    return bits == 4
        ? tensors.require(
            name("weight"), Set.of(DType.U8), shape.rows(), ScaleGrid.blocks(shape.columns(), 2))
        : tensors.require(
            name("weight"), Set.of(DType.F8_E4M3), shape.rows(), shape.columns());
  }

  private Tensor scales() {
    Tensor stored =
        tensors.require(
            name("weight_scale"),
            EXPONENTS,
            shape.rows(),
            ScaleGrid.blocks(shape.columns(), GROUP));
    return Tensor.of(DType.F8_E8M0, stored.segment(), stored.shape());
  }
}
