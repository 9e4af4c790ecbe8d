package dev.octet.checkpoint.gguf;

/**
 * Writers of the blocks that {@link SmallBlocks} reads. The scale is rounded to F16 first and
 * weights to the nearest multiple of what is left of it.
 */
final class SmallEncoders {
  private static final int SIZE = 32;
  private static final int HALF = SIZE / 2;

  private SmallEncoders() {}

  /** {@code d = max|x| / 127}. */
  static void q8(float[] x, int from, byte[] out, int at) {
    float d = scale(Math.abs(extreme(x, from, SIZE)) / 127f);
    Bytes.putF16(out, at, d);
    for (int j = 0; j < SIZE; j++) {
      out[at + 2 + j] = (byte) code(x[from + j], d, -127, 127);
    }
  }

  /** {@code d = x / -8} for the x of largest magnitude: the one code more is on its side. */
  static void q4(float[] x, int from, byte[] out, int at) {
    float d = scale(extreme(x, from, SIZE) / -8f);
    Bytes.putF16(out, at, d);
    for (int j = 0; j < HALF; j++) {
      int low = code(x[from + j], d, -8, 7) + 8;
      int high = code(x[from + HALF + j], d, -8, 7) + 8;
      out[at + 2 + j] = (byte) (low | high << 4);
    }
  }

  /** {@code d = x / -16} for the x of largest magnitude. */
  static void q5(float[] x, int from, byte[] out, int at) {
    float d = scale(extreme(x, from, SIZE) / -16f);
    Bytes.putF16(out, at, d);
    int fifth = 0;
    for (int j = 0; j < HALF; j++) {
      int low = code(x[from + j], d, -16, 15) + 16;
      int high = code(x[from + HALF + j], d, -16, 15) + 16;
      out[at + 6 + j] = (byte) (low & 0xF | high << 4);
      fifth |= low >> 4 << j | high >> 4 << j + HALF;
    }
    Bytes.putU32(out, at + 2, fifth);
  }

  /** The weight of largest magnitude. */
  static float extreme(float[] x, int from, int count) {
    float extreme = 0;
    for (int j = from; j < from + count; j++) {
      extreme = Math.abs(x[j]) > Math.abs(extreme) ? x[j] : extreme;
    }
    return extreme;
  }

  /**
   * The nearest F16 scale.
   *
   * @throws IllegalArgumentException if it is beyond what F16 holds
   */
  static float scale(float exact) {
    float rounded = Float.float16ToFloat(Float.floatToFloat16(exact));
    if (!Float.isFinite(rounded)) {
      throw new IllegalArgumentException(
          "a block needs the scale " + exact + ", which F16 cannot hold");
    }
    return rounded == 0 ? 0 : rounded; // never −0, which would give weights of −0
  }

  /** The nearest multiple of d, half to even; 0 where d is. */
  static int code(float x, float d, int lowest, int highest) {
    return d == 0 ? 0 : (int) Math.max(lowest, Math.min(highest, Math.rint((double) x / d)));
  }
}
