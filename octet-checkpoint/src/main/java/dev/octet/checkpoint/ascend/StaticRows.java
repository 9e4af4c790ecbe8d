package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What {@code W8A8} stores of every row of a layer with static inputs: the inverse of {@link
 * StaticLayer}, under its rules.
 *
 * @param codes I8 [n, k]
 * @param bias F32 [n], or null
 */
record StaticRows(
    String module, Tensor codes, ScaleGrid grid, StaticInt8 input, @Nullable Tensor bias) {

  /**
   * The rows of a layer, or of its form for decoding; empty where neither has static inputs.
   *
   * @throws CheckpointException if that form has codes of its own
   */
  static Optional<StaticRows> of(String module, LinearWeights layer) {
    if (!(layer.weight() instanceof Int8Weight own)) {
      return Optional.empty();
    }
    if (layer.activation() instanceof StaticInt8 input) {
      return Optional.of(new StaticRows(module, own.codes(), own.grid(), input, layer.bias()));
    }
    LinearWeights decoding = layer.decoding();
    if (decoding == null || !(decoding.activation() instanceof StaticInt8 input)) {
      return Optional.empty();
    }
    boolean shared =
        decoding.weight() instanceof Int8Weight w
            && w.permutation() == null
            && w.grid().symmetric()
            && w.codes().segment().mismatch(own.codes().segment()) < 0;
    if (!shared) {
      throw new CheckpointException(module + ": its form for decoding has other codes");
    }
    ScaleGrid grid = ((Int8Weight) decoding.weight()).grid();
    return Optional.of(new StaticRows(module, own.codes(), grid, input, decoding.bias()));
  }

  /**
   * Refuses what {@link StaticLayer} would not read back.
   *
   * @throws CheckpointException naming the row, its numbers and what would work
   */
  void requireStorable() {
    for (long row = 0; row < codes.dim(0); row++) {
      dequantizer(row);
      quantBias(row);
    }
  }

  /** {@code deq_scale}: the number whose quotient by the input's scale is the weight's. */
  float dequantizer(long row) {
    float weight = grid.scale(row, 0);
    float product = weight * input.scale();
    for (float near : new float[] {product, Math.nextUp(product), Math.nextDown(product)}) {
      if (near / input.scale() == weight) {
        return near;
      }
    }
    boolean sound =
        StoredScales.isSound(product)
            && StaticLayer.weightScale(product, input.scale(), weight) == weight;
    if (!sound) {
      throw refused(
          row,
          "has the scale %s with inputs of scale %s, whose product %s is no deq_scale"
              .formatted(weight, input.scale(), product));
    }
    return product;
  }

  /** {@code quant_bias}: the bias in steps of the row's sums, without what the offset adds. */
  int quantBias(long row) {
    float dequantizer = dequantizer(row);
    long correction = input.offset() == 0 ? 0 : input.offset() * StaticLayer.sum(codes, row);
    float own = bias == null ? 0 : bias.getFloat(row);
    double steps = Math.rint(own / (double) dequantizer) - correction;
    if (!(Math.abs(steps) <= Integer.MAX_VALUE)) {
      throw refused(
          row,
          "has the bias %s, which in steps of its deq_scale %s is no int32 quant_bias"
              .formatted(own, dequantizer));
    }
    return (int) steps;
  }

  private CheckpointException refused(long row, String what) {
    return new CheckpointException(
        "%s: row %d %s; inputs with a scale a token need none".formatted(module, row, what));
  }
}
