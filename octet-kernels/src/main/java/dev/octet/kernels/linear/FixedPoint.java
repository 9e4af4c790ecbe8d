package dev.octet.kernels.linear;

/**
 * Inputs as 16-bit fixed-point numbers, what {@link dev.octet.kernels.Products#INT16} means: within
 * each block of stored columns that share a weight's scale, every {@link #GROUP} inputs of a token
 * have a scale {@code max|x| / 32639}, and x counts as the nearest multiple of it, ties to even.
 * 32639 = 127·256 + 127 is the largest number of two signed bytes, in which kernels multiply.
 */
public final class FixedPoint {
  /** Inputs that share a scale; more could sum to what int32 does not hold. */
  public static final int GROUP = 128;

  private static final float MOST = 32639;

  /** Below this, a scale would be too small a number to keep all its bits. */
  private static final float LEAST = 0x1p-100f;

  private FixedPoint() {}

  /**
   * Whether so many rows are rounded. One alone is not: a token waits for the weight to be read,
   * and its products in F32 take less time than that.
   */
  public static boolean serves(int rows) {
    return rows > 1;
  }

  /**
   * Replaces a token's inputs, in the order in which the weight stores its columns, by what their
   * fixed-point form stands for. A group with a NaN or an infinity becomes NaN.
   *
   * @param block columns that share a scale of the weight
   */
  public static void round(float[] x, long block) {
    for (long first = 0; first < x.length; first += block) {
      long end = Math.min(x.length, first + block);
      for (long from = first; from < end; from += GROUP) {
        round(x, (int) from, (int) Math.min(end, from + GROUP));
      }
    }
  }

  private static void round(float[] x, int from, int to) {
    float amax = 0;
    for (int j = from; j < to; j++) {
      amax = Math.max(amax, Math.abs(x[j]));
    }
    float scale = Float.isFinite(amax) ? Math.max(amax, LEAST) / MOST : Float.NaN;
    float inverse = 1 / scale;
    for (int j = from; j < to; j++) {
      x[j] = (float) Math.rint(x[j] * inverse) * scale;
    }
  }
}
