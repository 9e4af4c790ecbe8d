package dev.octet.kernels.attention;

/**
 * Symmetric INT8 quantization of one row with its own scale: {@code s = max|x|/127}, {@code q =
 * rint(x/s)}. A zero row has scale 0 and codes 0; a row that holds a NaN or an infinity gets a NaN
 * or infinite scale, so that it decodes to NaN instead of passing for a number.
 */
public final class RowQuant {
  public static final float MAX = 127;

  /** 1.5·2²³: adding and subtracting it rounds half to even, and unlike Math.rint vectorizes. */
  private static final float ROUND = 12582912f;

  private RowQuant() {}

  /**
   * Replaces {@code x[from .. from+n)} by its codes.
   *
   * @return the scale
   */
  public static float quantize(float[] x, int from, int n) {
    float scale = absMax(x, from, n) / MAX;
    quantize(x, from, n, scale);
    return scale;
  }

  /** Replaces {@code x[from .. from+n)} by its codes under a given scale; beyond 127 it clamps. */
  public static void quantize(float[] x, int from, int n, float scale) {
    for (int i = from; i < from + n; i++) {
      x[i] = code(x[i], scale);
    }
  }

  /** The code of one value, NaN for NaN. */
  public static float code(float x, float scale) {
    if (scale == 0) {
      return 0;
    }
    float clamped = Math.max(-MAX, Math.min(MAX, x / scale));
    return clamped + ROUND - ROUND;
  }

  /** The largest magnitude of {@code x[from .. from+n)}; NaN if there is one. */
  public static float absMax(float[] x, int from, int n) {
    float max = 0;
    for (int i = from; i < from + n; i++) {
      max = Math.max(max, Math.abs(x[i]));
    }
    return max;
  }
}
