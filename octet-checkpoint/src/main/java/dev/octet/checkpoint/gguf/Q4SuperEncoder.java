package dev.octet.checkpoint.gguf;

import java.util.Arrays;

/**
 * Writes Q4_K blocks: the best line of every 32 weights, its scale and minimum rounded to 6 bits
 * under F16 scales of the whole, weights rounded to what came of it.
 */
final class Q4SuperEncoder implements BlockEncoder {
  private static final int SUB = 32;
  private static final int SUBS = SuperBlocks.SIZE / SUB;
  private static final int MOST = 63;

  private final float[] scales = new float[SUBS];
  private final float[] minimums = new float[SUBS];

  @Override
  public void encode(float[] x, int from, byte[] out, int at) {
    Arrays.fill(out, at, at + GgufType.Q4_K.blockBytes(), (byte) 0);
    for (int s = 0; s < SUBS; s++) {
      ScaleSearch.Line line = ScaleSearch.affine(x, from + s * SUB, SUB, 15);
      scales[s] = line.scale();
      minimums[s] = -line.offset();
    }
    float d = SmallEncoders.scale(SmallEncoders.extreme(scales, 0, SUBS) / MOST);
    float dmin = SmallEncoders.scale(SmallEncoders.extreme(minimums, 0, SUBS) / MOST);
    Bytes.putF16(out, at, d);
    Bytes.putF16(out, at + 2, dmin);
    for (int s = 0; s < SUBS; s++) {
      int scale = SmallEncoders.code(scales[s], d, 0, MOST);
      int minimum = SmallEncoders.code(minimums[s], dmin, 0, MOST);
      putScale(out, at + 4, s, scale, minimum);
      for (int e = s * SUB; e < (s + 1) * SUB; e++) {
        int q = SmallEncoders.code(x[from + e] + dmin * minimum, d * scale, 0, 15);
        out[at + 16 + e / 64 * 32 + e % 32] |= (byte) (q << 4 * (e / 32 % 2));
      }
    }
  }

  /** The places that {@link SuperBlocks#q4} reads. */
  private static void putScale(byte[] out, int b, int s, int scale, int minimum) {
    if (s < 4) {
      out[b + s] |= (byte) scale;
      out[b + s + 4] |= (byte) minimum;
    } else {
      out[b + s + 4] |= (byte) (scale & 0xF | minimum << 4);
      out[b + s - 4] |= (byte) (scale >> 4 << 6);
      out[b + s] |= (byte) (minimum >> 4 << 6);
    }
  }
}
