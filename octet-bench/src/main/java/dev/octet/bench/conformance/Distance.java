package dev.octet.bench.conformance;

import dev.octet.tensor.Tensor;

/** How far apart two results are. All sums are F64. */
final class Distance {
  private Distance() {}

  /**
   * {@code sum|got - expected| / sum|expected|}, over all elements; 0 where both are all zero, NaN
   * or infinite as soon as one element of {@code got} is.
   */
  static double relL1(float[] got, float[] expected) {
    if (got.length != expected.length) {
      throw new IllegalArgumentException(got.length + " values against " + expected.length);
    }
    double difference = 0;
    double total = 0;
    for (int i = 0; i < got.length; i++) {
      difference += Math.abs((double) got[i] - expected[i]);
      total += Math.abs((double) expected[i]);
    }
    return difference == 0 ? 0 : difference / total;
  }

  /** Index of the largest of {@code n} values from {@code from} on; the first among equals. */
  static int argmax(float[] values, int from, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) {
      if (values[from + i] > values[from + best]) {
        best = i;
      }
    }
    return best;
  }

  /** {@link #relL1} of two tensors of the same number of elements. */
  static double relL1(Tensor got, Tensor expected) {
    return relL1(got.toFloats(), expected.toFloats());
  }
}
