package dev.octet.kernels.vector;

/**
 * Products of stored rows with one vector, straight from the codes: each weight is read once from
 * memory, decoded in registers and forgotten. For few rows of x, where the time to read the weight
 * is all that counts. One implementation a weight form.
 */
interface RowDot {
  /**
   * x as {@link #dot} reads it.
   *
   * @param values x, interleaved with {@link Lanes#arrange}
   * @param sums Σx over every block of columns that share a scale; empty where not needed
   */
  record Input(float[] values, double[] sums) {}

  /** Arranges a row of x, once for all outputs. */
  Input arrange(float[] x);

  /**
   * {@code out[i] = row (from + i) · x} for the rows below {@code to}. Weights count with their
   * scales, or as the integers {@code q - z} where the layer scales sums once.
   */
  void dot(int from, int to, Input x, double[] out);
}
