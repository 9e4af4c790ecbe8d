package dev.octet.quantize.sensitivity;

import dev.octet.kernels.Linear;
import dev.octet.tensor.DType;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.stream.LongStream;

/**
 * What quantizing does to a linear layer by itself.
 *
 * @param weight {@code ‖W' − W‖ / ‖W‖}
 * @param output {@code ‖y' − y‖ / ‖y‖} on sample inputs, computed by the kernels that will run it,
 *     quantized inputs included
 */
public record LinearError(double weight, double output) {

  /** Weights' signal to noise in decibels. */
  public double decibels() {
    return -20 * Math.log10(weight);
  }

  static double ofWeights(QuantizedWeight exact, QuantizedWeight quantized) {
    double[] sums =
        LongStream.range(0, exact.rows())
            .parallel()
            .mapToObj(r -> squares(exact, quantized, r))
            .reduce(new double[2], (a, b) -> new double[] {a[0] + b[0], a[1] + b[1]});
    return ratio(sums[0], sums[1]);
  }

  private static double[] squares(QuantizedWeight exact, QuantizedWeight quantized, long row) {
    float[] w = new float[Math.toIntExact(exact.columns())];
    float[] q = new float[w.length];
    exact.dequantizeRow(row, w);
    quantized.dequantizeRow(row, q);
    return squares(q, w);
  }

  /** Squared norms of {@code got − wanted} and of {@code wanted}. */
  private static double[] squares(float[] got, float[] wanted) {
    double off = 0;
    double size = 0;
    for (int j = 0; j < wanted.length; j++) {
      double d = (double) got[j] - wanted[j];
      off += d * d;
      size += (double) wanted[j] * wanted[j];
    }
    return new double[] {off, size};
  }

  private static double ratio(double off, double size) {
    return Math.sqrt(off / Math.max(size, Double.MIN_NORMAL));
  }

  /**
   * @param x F32 [rows, k]
   */
  static double ofOutputs(Linear exact, Linear quantized, Tensor x) {
    try (Arena arena = Arena.ofShared()) {
      Tensor wanted = Tensor.allocate(arena, DType.F32, x.rows(), exact.outFeatures());
      Tensor got = Tensor.allocate(arena, DType.F32, x.rows(), exact.outFeatures());
      exact.apply(x, wanted);
      quantized.apply(x, got);
      double[] sums = squares(got.toFloats(), wanted.toFloats());
      return ratio(sums[0], sums[1]);
    }
  }
}
