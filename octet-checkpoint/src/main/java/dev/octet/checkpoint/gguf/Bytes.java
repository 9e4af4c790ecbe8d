package dev.octet.checkpoint.gguf;

/** Little-endian fields within blocks. */
final class Bytes {
  private Bytes() {}

  static float f16(byte[] in, int at) {
    return Float.float16ToFloat((short) (in[at] & 0xFF | in[at + 1] << 8));
  }

  static int u32(byte[] in, int at) {
    return in[at] & 0xFF | (in[at + 1] & 0xFF) << 8 | (in[at + 2] & 0xFF) << 16 | in[at + 3] << 24;
  }

  static void putF16(byte[] out, int at, float value) {
    putU16(out, at, Float.floatToFloat16(value));
  }

  static void putU16(byte[] out, int at, short bits) {
    out[at] = (byte) bits;
    out[at + 1] = (byte) (bits >> 8);
  }

  static void putU32(byte[] out, int at, int value) {
    for (int i = 0; i < 4; i++) {
      out[at + i] = (byte) (value >> 8 * i);
    }
  }
}
