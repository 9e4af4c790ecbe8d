package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.fp4.StoredFp4;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant.MxGroup;
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
 * {@code W8A8_MXFP8}, {@code W4A8_MXFP}, {@code W4A4_MXFP4}, {@code W4A4_MXFP4_DUALSCALE}: {@code
 * .weight} F8_E4M3 [n, k], or U8 [n, k/2] with pairs of E2M1, the even column low; which of them,
 * its type tells. {@code .weight_scale} U8 [n, k/32] holds exponents plus 127. The last tag adds
 * {@code .weight_dual_scale} F32 [n, k/512, 1], which multiplies, too.
 *
 * @param inputs how inputs are quantized; where their scales are of two levels, weights' are
 */
record MxLayer(StoredTensors tensors, LinearShape shape, MxGroup inputs) implements Layer {

  @Override
  public void check() {
    weight();
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    return new LinearWeights(weight(), DenseFormat.bias(tensors, shape), inputs);
  }

  private String name(String suffix) {
    return shape.module() + "." + suffix;
  }

  private QuantizedWeight weight() {
    if (tensors.get(name("weight")).dtype() == DType.F8_E4M3) {
      Tensor codes =
          tensors.require(name("weight"), Set.of(DType.F8_E4M3), shape.rows(), shape.columns());
      return new Fp8Weight(
          codes, new ScaleGrid(ScaleGranularity.GROUP, 1, MxGroup.GROUP, scales(), null));
    }
    Fp4Weight plain =
        new StoredFp4(name("weight"), name("weight_scale"), StoredFp4.Kind.MXFP4)
            .read(tensors, shape, 1);
    return inputs.coarse() == 0
        ? plain
        : new Fp4Weight(plain.packed(), plain.columns(), scales(), plain.group(), 1);
  }

  /** F32 [n, k/32], coarse ones included. */
  private Tensor scales() {
    long groups = ScaleGrid.blocks(shape.columns(), MxGroup.GROUP);
    Tensor scales =
        StoredScales.powersOfTwo(tensors, name("weight_scale"), shape.rows(), groups)
            .to(DType.F32, Arena.ofAuto());
    if (inputs.coarse() == 0) {
      return scales;
    }
    Tensor coarse = coarse();
    long blocks = coarse.dim(1);
    for (long i = 0; i < scales.size(); i++) {
      long block = i % groups * MxGroup.GROUP / inputs.coarse();
      scales.setFloat(i, scales.getFloat(i) * coarse.getFloat(i / groups * blocks + block));
    }
    StoredScales.requirePositive(tensors, name("weight_dual_scale"), scales);
    return scales;
  }

  /** [n, k/512]. */
  private Tensor coarse() {
    String name = name("weight_dual_scale");
    Tensor stored = tensors.get(name);
    long n = shape.rows();
    long blocks = ScaleGrid.blocks(shape.columns(), inputs.coarse());
    boolean fits = stored.hasShape(n, blocks, 1) || stored.hasShape(n, blocks);
    if (!fits || stored.dtype() != DType.F32) {
      throw tensors.problem(name, "is %s, expected F32 [%d, %d, 1]".formatted(stored, n, blocks));
    }
    return stored.reshape(n, blocks);
  }
}
