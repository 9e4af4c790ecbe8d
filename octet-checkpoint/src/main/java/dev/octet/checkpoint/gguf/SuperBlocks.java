package dev.octet.checkpoint.gguf;

/**
 * Blocks of 256, the K types (ggml-common.h, block_q2_K and the like): sub-blocks of 16 or 32 whose
 * own small scales are integers under F16 scales of the whole, {@code w = d·sc·q - dmin·m}.
 * Products of two scales are exact in F32.
 */
final class SuperBlocks {
  static final int SIZE = 256;

  private SuperBlocks() {}

  /** 16 × (4-bit scale, 4-bit minimum), 64 bytes of two-bit codes, d, dmin. */
  static void q2(byte[] in, int at, BlockRow out, int block) {
    float d = Bytes.f16(in, at + 80);
    float dmin = Bytes.f16(in, at + 82);
    for (int s = 0; s < 16; s++) {
      out.scales()[block * 16 + s] = d * (in[at + s] & 0xF);
      out.offsets()[block * 16 + s] = -(dmin * (in[at + s] >> 4 & 0xF));
    }
    for (int e = 0; e < SIZE; e++) {
      out.codes()[block * SIZE + e] = (byte) twoBits(in, at + 16, e);
    }
  }

  /** 32 bytes of third bits, 64 of two-bit codes, 16 six-bit scales in 12 bytes, d. */
  static void q3(byte[] in, int at, BlockRow out, int block) {
    float d = Bytes.f16(in, at + 108);
    int scales = at + 96;
    for (int s = 0; s < 16; s++) {
      int low = in[scales + s % 8] >> (s < 8 ? 0 : 4) & 0xF;
      int high = in[scales + 8 + s % 4] >> 2 * (s / 4) & 3;
      out.scales()[block * 16 + s] = d * ((low | high << 4) - 32);
    }
    for (int e = 0; e < SIZE; e++) {
      int third = in[at + e % 32] >> e / 32 & 1;
      out.codes()[block * SIZE + e] = (byte) (twoBits(in, at + 32, e) - (1 - third) * 4);
    }
  }

  /**
   * Element e of 64 bytes: each half of 128 has 32 bytes, whose four pairs of bits are 32 apart.
   */
  private static int twoBits(byte[] in, int at, int e) {
    return in[at + e / 128 * 32 + e % 32] >> 2 * (e / 32 % 4) & 3;
  }

  /** d, dmin, 8 × (6-bit scale, 6-bit minimum) in 12 bytes, 128 bytes of nibbles. */
  static void q4(byte[] in, int at, BlockRow out, int block) {
    scalesAndMinimums(in, at, out, block);
    for (int e = 0; e < SIZE; e++) {
      out.codes()[block * SIZE + e] = (byte) (nibble(in, at + 16, e) - 8);
    }
  }

  /** The same with 32 bytes of fifth bits before the nibbles. */
  static void q5(byte[] in, int at, BlockRow out, int block) {
    scalesAndMinimums(in, at, out, block);
    for (int e = 0; e < SIZE; e++) {
      int fifth = in[at + 16 + e % 32] >> e / 32 & 1;
      out.codes()[block * SIZE + e] = (byte) (nibble(in, at + 48, e) | fifth << 4);
    }
  }

  /** Element e of 128 bytes: each 64 have 32 bytes, low nibbles first. */
  private static int nibble(byte[] in, int at, int e) {
    return in[at + e / 64 * 32 + e % 32] >> 4 * (e / 32 % 2) & 0xF;
  }

  private static void scalesAndMinimums(byte[] in, int at, BlockRow out, int block) {
    float d = Bytes.f16(in, at);
    float dmin = Bytes.f16(in, at + 2);
    int b = at + 4;
    for (int s = 0; s < 8; s++) {
      int scale;
      int minimum;
      if (s < 4) {
        scale = in[b + s] & 0x3F;
        minimum = in[b + s + 4] & 0x3F;
      } else {
        scale = in[b + s + 4] & 0xF | (in[b + s - 4] >> 6 & 3) << 4;
        minimum = in[b + s + 4] >> 4 & 0xF | (in[b + s] >> 6 & 3) << 4;
      }
      out.scales()[block * 8 + s] = d * scale;
      out.offsets()[block * 8 + s] = -(dmin * minimum);
    }
  }

  /** 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, d. */
  static void q6(byte[] in, int at, BlockRow out, int block) {
    float d = Bytes.f16(in, at + 208);
    for (int s = 0; s < 16; s++) {
      out.scales()[block * 16 + s] = d * in[at + 192 + s];
    }
    for (int e = 0; e < SIZE; e++) {
      int half = e / 128;
      int low = in[at + half * 64 + e % 64] >> 4 * (e / 64 % 2) & 0xF;
      int high = in[at + 128 + half * 32 + e % 32] >> 2 * (e / 32 % 4) & 3;
      out.codes()[block * SIZE + e] = (byte) ((low | high << 4) - 32);
    }
  }
}
