package dev.octet.tensor;

/**
 * Scalar conversions between F32 and the narrow types, round to nearest even. F16 is the JDK's own
 * {@link Float#float16ToFloat}.
 *
 * <p>FP8 follows "FP8 Formats for Deep Learning" (arXiv 2209.05433): E4M3 in its {@code fn} form
 * (no infinities, NaN only 0x7F/0xFF, maximum 448), E5M2 as IEEE (maximum 57344). Encoding
 * saturates at the largest finite value, infinities included; NaN stays NaN and zero keeps its
 * sign. The four-bit E2M1 and the scales E8M0 are those of the OCP Microscaling Formats (MX)
 * specification 1.0.
 */
public final class Codecs {
  public static final float E4M3_MAX = 448f;
  public static final float E5M2_MAX = 57344f;
  public static final float E2M1_MAX = 6f;

  private static final float[] E4M3 = table(4, 3, 7);
  private static final float[] E5M2 = table(5, 2, 15);
  private static final float[] E2M1 = {
    0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6
  };

  private Codecs() {}

  public static float bf16ToFloat(short code) {
    return Float.intBitsToFloat(code << 16);
  }

  public static short floatToBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40); // keep it a NaN when the payload is in the low half
    }
    return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
  }

  /** {@code value} rounded to the nearest BF16 number. */
  public static float roundBf16(float value) {
    return bf16ToFloat(floatToBf16(value));
  }

  public static float e4m3ToFloat(byte code) {
    return E4M3[code & 0xFF];
  }

  public static float e5m2ToFloat(byte code) {
    return E5M2[code & 0xFF];
  }

  public static byte floatToE4m3(float value) {
    return encode8(value, 3, 7, E4M3_MAX, 0x7E);
  }

  public static byte floatToE5m2(float value) {
    return encode8(value, 2, 15, E5M2_MAX, 0x7B);
  }

  /** The value of the low four bits: E2M1, {0, ½, 1, 1½, 2, 3, 4, 6} and a sign. */
  public static float e2m1ToFloat(int code) {
    return E2M1[code & 0xF];
  }

  /**
   * The four bits nearest to {@code value}, ties to the even code; saturates at 6. E2M1 has no NaN:
   * that is an error.
   */
  public static int floatToE2m1(float value) {
    if (Float.isNaN(value)) {
      throw new NotFiniteException("NaN cannot be encoded as E2M1");
    }
    float magnitude = Math.min(Math.abs(value), E2M1_MAX);
    int sign = Float.floatToRawIntBits(value) >>> 28 & 8;
    // Steps of ½ up to 2, of 1 up to 4, of 2 up to 6; the values on both sides of a limit agree.
    int code =
        magnitude <= 2
            ? (int) Math.rint(magnitude * 2.0)
            : magnitude <= 4
                ? 2 + (int) Math.rint(magnitude)
                : 4 + (int) Math.rint(magnitude / 2.0);
    return sign | code;
  }

  /** E8M0: {@code 2^(code - 127)}, 0xFF is NaN. */
  public static float e8m0ToFloat(int code) {
    int e = code & 0xFF;
    return e == 0xFF ? Float.NaN : Math.scalb(1f, e - 127);
  }

  /** Rounds half to even, then clamps; NaN is an error because no integer stands for it. */
  public static int roundClamp(float value, int low, int high) {
    return (int) Math.max(low, Math.min(high, roundWhole(value)));
  }

  /** Rounds half to even; NaN is an error because no integer stands for it. */
  static double roundWhole(float value) {
    if (Float.isNaN(value)) {
      throw new NotFiniteException("NaN cannot be encoded as an integer");
    }
    return Math.rint((double) value);
  }

  /**
   * Rounds in the target's own units: normal numbers by adding half a unit to the F32 bits (a carry
   * out of the mantissa raises the exponent by itself), subnormal ones by letting an F32 addition
   * round, whose last place is the target's smallest step.
   */
  private static byte encode8(float value, int mantissaBits, int bias, float max, int maxCode) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 24 & 0x80;
    float magnitude = Math.abs(value);
    if (Float.isNaN(value)) {
      return (byte) (sign | 0x7F);
    }
    if (magnitude >= max) {
      return (byte) (sign | maxCode);
    }
    int minExponent = 1 - bias;
    if (magnitude < Float.intBitsToFloat(minExponent + 127 << 23)) {
      int magic = minExponent - mantissaBits + 23 + 127 << 23;
      float sum = magnitude + Float.intBitsToFloat(magic);
      return (byte) (sign | Float.floatToRawIntBits(sum) - magic);
    }
    int drop = 23 - mantissaBits;
    int magnitudeBits = bits & 0x7FFF_FFFF;
    int rounded = magnitudeBits + (1 << drop - 1) - 1 + (magnitudeBits >>> drop & 1);
    return (byte) (sign | (rounded >>> drop) - (127 - bias << mantissaBits));
  }

  private static float[] table(int exponentBits, int mantissaBits, int bias) {
    float[] values = new float[256];
    int maxExponent = (1 << exponentBits) - 1;
    for (int code = 0; code < 256; code++) {
      int e = (code & 0x7F) >>> mantissaBits;
      int m = code & (1 << mantissaBits) - 1;
      double fraction = (double) m / (1 << mantissaBits);
      double magnitude =
          e == 0 ? Math.scalb(fraction, 1 - bias) : Math.scalb(1 + fraction, e - bias);
      if (exponentBits == 5 && e == maxExponent) {
        magnitude = m == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
      } else if (exponentBits == 4 && (code & 0x7F) == 0x7F) {
        magnitude = Double.NaN;
      }
      values[code] = (float) (code < 128 ? magnitude : -magnitude);
    }
    return values;
  }
}
