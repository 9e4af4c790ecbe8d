package dev.octet.checkpoint.gguf;

/**
 * Blocks of 32 with one F16 scale d (ggml-common.h, block_q4_0 and the like). Type names end in 0
 * where {@code w = d·(q - middle)} and in 1 where {@code w = d·q + m} with an F16 minimum m.
 * Nibbles lie in halves: byte j holds elements j (low) and j + 16 (high); the fifth bits, where
 * there are any, are one word with the bit of element j at place j.
 */
final class SmallBlocks {
  private static final int SIZE = 32;
  private static final int HALF = SIZE / 2;

  private SmallBlocks() {}

  static void q8With0(byte[] in, int at, BlockRow out, int block) {
    out.scales()[block] = Bytes.f16(in, at);
    System.arraycopy(in, at + 2, out.codes(), block * SIZE, SIZE);
  }

  static void q4With0(byte[] in, int at, BlockRow out, int block) {
    out.scales()[block] = Bytes.f16(in, at);
    nibbles(in, at + 2, out.codes(), block * SIZE, 8);
  }

  static void q4With1(byte[] in, int at, BlockRow out, int block) {
    out.scales()[block] = Bytes.f16(in, at);
    out.offsets()[block] = Bytes.f16(in, at + 2);
    nibbles(in, at + 4, out.codes(), block * SIZE, 8);
  }

  static void q5With0(byte[] in, int at, BlockRow out, int block) {
    out.scales()[block] = Bytes.f16(in, at);
    nibbles(in, at + 6, out.codes(), block * SIZE, 16);
    addFifthBits(Bytes.u32(in, at + 2), out.codes(), block * SIZE);
  }

  static void q5With1(byte[] in, int at, BlockRow out, int block) {
    out.scales()[block] = Bytes.f16(in, at);
    out.offsets()[block] = Bytes.f16(in, at + 2);
    nibbles(in, at + 8, out.codes(), block * SIZE, 0);
    addFifthBits(Bytes.u32(in, at + 4), out.codes(), block * SIZE);
  }

  private static void nibbles(byte[] in, int at, byte[] codes, int from, int middle) {
    for (int j = 0; j < HALF; j++) {
      codes[from + j] = (byte) ((in[at + j] & 0xF) - middle);
      codes[from + HALF + j] = (byte) ((in[at + j] >> 4 & 0xF) - middle);
    }
  }

  private static void addFifthBits(int bits, byte[] codes, int from) {
    for (int j = 0; j < SIZE; j++) {
      codes[from + j] += (byte) ((bits >>> j & 1) << 4);
    }
  }
}
