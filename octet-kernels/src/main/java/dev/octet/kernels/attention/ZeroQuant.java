package dev.octet.kernels.attention;

import java.util.Arrays;

/**
 * Asymmetric INT4 quantization of one row: {@code s = (max − min)/15} over a range that holds 0,
 * {@code z = rint(−min/s)}, {@code q = rint(x/s) + z} within 0 to 15. A zero row has scale 0; one
 * that holds a NaN or an infinity has scale NaN, so that it decodes to NaN.
 *
 * @param scale s
 * @param zero z, the code of 0
 */
record ZeroQuant(float scale, int zero) {
  private static final int MAX = 15;

  /**
   * Replaces {@code x[from .. from+n)} by its codes.
   *
   * @param scaleOfZeros the scale of a row of zeros
   */
  static ZeroQuant of(float[] x, int from, int n, float scaleOfZeros) {
    float min = 0;
    float max = 0;
    for (int i = from; i < from + n; i++) {
      min = Math.min(min, x[i]);
      max = Math.max(max, x[i]);
    }
    float scale = (float) (((double) max - min) / MAX);
    if (!Float.isFinite(scale)) {
      Arrays.fill(x, from, from + n, 0);
      return new ZeroQuant(Float.NaN, 0);
    }
    if (scale == 0) {
      Arrays.fill(x, from, from + n, 0);
      return new ZeroQuant(scaleOfZeros, 0);
    }
    int zero = (int) Math.clamp(Math.rint(-min / scale), 0.0, MAX);
    for (int i = from; i < from + n; i++) {
      x[i] = (float) Math.clamp(Math.rint(x[i] / scale) + zero, 0.0, MAX);
    }
    return new ZeroQuant(scale, zero);
  }
}
