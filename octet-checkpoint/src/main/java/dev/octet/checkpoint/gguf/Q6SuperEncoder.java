package dev.octet.checkpoint.gguf;

import java.util.Arrays;

/**
 * Writes Q6_K blocks: the best scale of every 16 weights, those rounded to 8 bits under one F16
 * scale, weights rounded to what came of it.
 */
final class Q6SuperEncoder implements BlockEncoder {
  private static final int SUB = 16;
  private static final int SUBS = SuperBlocks.SIZE / SUB;

  private final float[] scales = new float[SUBS];

  @Override
  public void encode(float[] x, int from, byte[] out, int at) {
    Arrays.fill(out, at, at + GgufType.Q6_K.blockBytes(), (byte) 0);
    for (int s = 0; s < SUBS; s++) {
      scales[s] = ScaleSearch.symmetric(x, from + s * SUB, SUB, 32);
    }
    float d = SmallEncoders.scale(SmallEncoders.extreme(scales, 0, SUBS) / -128f);
    Bytes.putF16(out, at + 208, d);
    for (int s = 0; s < SUBS; s++) {
      int sc = SmallEncoders.code(scales[s], d, -128, 127);
      out[at + 192 + s] = (byte) sc;
      for (int e = s * SUB; e < (s + 1) * SUB; e++) {
        put(out, at, e, SmallEncoders.code(x[from + e], d * sc, -32, 31) + 32);
      }
    }
  }

  /** The places that {@link SuperBlocks#q6} reads. */
  private static void put(byte[] out, int at, int e, int q) {
    int half = e / 128;
    out[at + half * 64 + e % 64] |= (byte) ((q & 0xF) << 4 * (e / 64 % 2));
    out[at + 128 + half * 32 + e % 32] |= (byte) (q >> 4 << 2 * (e / 32 % 4));
  }
}
