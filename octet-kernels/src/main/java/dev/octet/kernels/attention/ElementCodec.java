package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.kernels.KvType;
import dev.octet.tensor.Codecs;
import java.lang.foreign.MemorySegment;

/**
 * One element of a key or value block: the code, without its scale. Four-bit codes, 0 to 15, lie in
 * runs of 64, of which the second half is in the high nibbles of the first: a vector of bytes is
 * two vectors of neighbours.
 */
final class ElementCodec {
  /** Codes of four bits that share a run of bytes. */
  private static final int NIBBLE_RUN = 64;

  private ElementCodec() {}

  /** Reads the element at {@code index} of the codes that begin at byte {@code base}. */
  static float read(MemorySegment block, long base, long index, KvType type) {
    return switch (type) {
      case F32 -> block.get(JAVA_FLOAT_UNALIGNED, base + 4 * index);
      case F16 -> Float.float16ToFloat(block.get(JAVA_SHORT_UNALIGNED, base + 2 * index));
      case BF16 -> Codecs.bf16ToFloat(block.get(JAVA_SHORT_UNALIGNED, base + 2 * index));
      case INT8 -> block.get(JAVA_BYTE, base + index);
      case INT4 -> block.get(JAVA_BYTE, base + nibbleByte(index)) >> nibbleShift(index) & 15;
      case FP8_E4M3 -> Codecs.e4m3ToFloat(block.get(JAVA_BYTE, base + index));
      case FP8_E5M2 -> Codecs.e5m2ToFloat(block.get(JAVA_BYTE, base + index));
    };
  }

  /** Stores {@code value}, already divided by its scale and, for integers, rounded. */
  static void write(MemorySegment block, long base, long index, KvType type, float value) {
    switch (type) {
      case F32 -> block.set(JAVA_FLOAT_UNALIGNED, base + 4 * index, value);
      case F16 -> block.set(JAVA_SHORT_UNALIGNED, base + 2 * index, Float.floatToFloat16(value));
      case BF16 -> block.set(JAVA_SHORT_UNALIGNED, base + 2 * index, Codecs.floatToBf16(value));
      case INT8 -> block.set(JAVA_BYTE, base + index, (byte) value);
      case INT4 -> {
        long at = base + nibbleByte(index);
        int shift = nibbleShift(index);
        int others = block.get(JAVA_BYTE, at) & ~(15 << shift);
        block.set(JAVA_BYTE, at, (byte) (others | ((int) value & 15) << shift));
      }
      case FP8_E4M3 -> block.set(JAVA_BYTE, base + index, Codecs.floatToE4m3(value));
      case FP8_E5M2 -> block.set(JAVA_BYTE, base + index, Codecs.floatToE5m2(value));
    }
  }

  private static long nibbleByte(long index) {
    return index / NIBBLE_RUN * (NIBBLE_RUN / 2) + index % (NIBBLE_RUN / 2);
  }

  private static int nibbleShift(long index) {
    return index % NIBBLE_RUN < NIBBLE_RUN / 2 ? 0 : 4;
  }

  /** The largest code of a type with a symmetric scale. */
  static float maxCode(KvType type) {
    return switch (type) {
      case INT8 -> RowQuant.MAX;
      case FP8_E4M3 -> Codecs.E4M3_MAX;
      case FP8_E5M2 -> Codecs.E5M2_MAX;
      default -> throw new IllegalArgumentException(type + " has no scale");
    };
  }
}
