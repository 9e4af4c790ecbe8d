package dev.octet.tensor;

/** How exact scales may be, for formats that store them in less than F32. */
public enum ScalePrecision {
  /** As they come. */
  F32,
  /** Whatever F16 holds: a rounded scale is stored without a further error. */
  F16,
  /**
   * Seven significant bits of F16, so that a scale times a four-bit zero point is an F16 too: what
   * GGUF's Q4_1 stores in place of zero points.
   */
  F16_MULTIPLES;

  /** Exponent of the smallest positive F16. */
  private static final int LEAST = -24;

  /** Bits behind the leading one that {@link #F16_MULTIPLES} keeps. */
  private static final int FEW = 6;

  /** The largest finite F16. */
  private static final float MOST = 65504;

  /**
   * The nearest scale, half to even; never 0.
   *
   * @throws IllegalArgumentException if it is more than F16 holds
   */
  float round(float scale) {
    float rounded = nearest(scale);
    if (this != F32 && !(rounded <= MOST)) {
      throw new IllegalArgumentException(
          "the scale %s is more than F16 holds (%s), as GGUF stores it; compressed-tensors has F32"
              .formatted(scale, MOST));
    }
    return rounded;
  }

  private float nearest(float scale) {
    return switch (this) {
      case F32 -> scale;
      case F16 -> atLeast(Float.float16ToFloat(Float.floatToFloat16(scale)));
      case F16_MULTIPLES -> {
        int exponent = Math.max(Math.getExponent(scale) - FEW, LEAST);
        yield atLeast(
            (float) Math.scalb(Math.rint(Math.scalb((double) scale, -exponent)), exponent));
      }
    };
  }

  private static float atLeast(float scale) {
    return Math.max(scale, Math.scalb(1f, LEAST));
  }
}
