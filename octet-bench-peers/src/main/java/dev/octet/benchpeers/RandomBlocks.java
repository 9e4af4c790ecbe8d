package dev.octet.benchpeers;

import dev.octet.checkpoint.gguf.GgufType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;

/**
 * Random blocks of ggml's types (ggml-common.h): any codes are valid, and scales are set so that
 * values spread by {@code deviation}, as a trained layer's do.
 */
final class RandomBlocks {
  /** An odd number, so that rows of a matrix do not line up. */
  private static final int BLOCKS = 4095;

  private static final double UNIFORM_INT8 = 73.9;
  private static final double UNIFORM_INT6 = 18.5;
  private static final double UNIFORM_INT4 = 4.6;
  private static final int Q6_SCALE = 32;

  private RandomBlocks() {}

  /** A pattern of whole blocks. */
  static byte[] of(GgufType type, double deviation) {
    SplittableRandom random = new SplittableRandom(type.id());
    int blocks = type.blockElements() == 1 ? BLOCKS * 32 : BLOCKS;
    ByteBuffer out = ByteBuffer.allocate(blocks * type.blockBytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int b = 0; b < blocks; b++) {
      block(type, deviation, random, out);
    }
    return out.array();
  }

  private static void block(
      GgufType type, double deviation, SplittableRandom random, ByteBuffer out) {
    switch (type) {
      case BF16 -> {
        float value = (float) (deviation * random.nextGaussian());
        out.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
      }
      case Q8_0 -> half(out, deviation / UNIFORM_INT8).put(codes(random, 32));
      case Q4_0 -> half(out, deviation / UNIFORM_INT4).put(codes(random, 16));
      case Q6_K -> {
        out.put(codes(random, 128 + 64));
        for (int i = 0; i < 16; i++) {
          out.put((byte) Q6_SCALE);
        }
        half(out, deviation / UNIFORM_INT6 / Q6_SCALE);
      }
      default -> throw new IllegalArgumentException("random " + type);
    }
  }

  private static ByteBuffer half(ByteBuffer out, double value) {
    return out.putShort(Float.floatToFloat16((float) value));
  }

  private static byte[] codes(SplittableRandom random, int count) {
    byte[] codes = new byte[count];
    random.nextBytes(codes);
    return codes;
  }

  /** F32 ones: norms. */
  static byte[] ones(int count) {
    ByteBuffer out = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      out.putFloat(1);
    }
    return out.array();
  }
}
