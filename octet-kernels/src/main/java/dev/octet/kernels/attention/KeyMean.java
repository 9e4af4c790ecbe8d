package dev.octet.kernels.attention;

import dev.octet.tensor.Tensor;

/**
 * The mean k̄ of keys, summed in F64 so that it does not depend on how they are chunked. What is
 * not finite counts as 0: any constant vector will do, and a damaged key must not reach the others.
 */
public final class KeyMean {
  private KeyMean() {}

  /** Mean of the first {@code rows} rows of {@code x}, each {@code width} long. */
  static float[] of(float[] x, int rows, int width) {
    double[] sums = new double[width];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < width; c++) {
        sums[c] += finite(x[r * width + c]);
      }
    }
    return divide(sums, rows);
  }

  /**
   * Mean over the first dimension of {@code keys} [keys, heads, dim]; zeros where there is none.
   */
  static float[] of(Tensor keys) {
    int width = Math.toIntExact(keys.dim(1) * keys.dim(2));
    int rows = Math.toIntExact(keys.dim(0));
    double[] sums = new double[width];
    float[] row = new float[width];
    for (int r = 0; r < rows; r++) {
      keys.copyRange((long) r * width, row);
      add(sums, row);
    }
    return divide(sums, rows);
  }

  /** Adds a row to the sums of some. */
  static void add(double[] sums, float[] row) {
    for (int c = 0; c < sums.length; c++) {
      sums[c] += finite(row[c]);
    }
  }

  /** Sets the channels from {@code body} on to 0 in every head of {@code mean}. */
  static void clearTail(float[] mean, int dim, int body) {
    for (int c = 0; c < mean.length; c++) {
      if (c % dim >= body) {
        mean[c] = 0;
      }
    }
  }

  private static float finite(float x) {
    return Float.isFinite(x) ? x : 0;
  }

  /** The mean of rows whose sums are known; zeros where there is none. */
  static float[] divide(double[] sums, int rows) {
    float[] mean = new float[sums.length];
    for (int c = 0; c < mean.length; c++) {
      mean[c] = rows == 0 ? 0 : (float) (sums[c] / rows);
    }
    return mean;
  }
}
