package dev.octet.kernels.vector;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.kernels.KvType;
import dev.octet.tensor.Codecs;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Widens a run of stored codes to floats, without scales. */
final class BlockDecoder {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final int VL = F.length();

  /** Vectors of bytes need at least 64 bits: below eight lanes the loops are scalar. */
  private static final boolean WIDE = VL >= 8;

  private static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, 8 * VL)));
  private static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(Math.max(64, 16 * VL)));

  /** Codes of four bits that share a run of bytes. */
  private static final int RUN = 64;

  private BlockDecoder() {}

  /**
   * Decodes {@code n} codes from byte {@code offset} on into {@code out[at ..)}. Reads and writes
   * up to a whole vector more.
   */
  static void decode(KvType type, MemorySegment block, long offset, int n, float[] out, int at) {
    switch (type) {
      case F32 -> MemorySegment.copy(block, JAVA_FLOAT_UNALIGNED, offset, out, at, n);
      case F16 -> f16(block, offset, n, out, at);
      case BF16 -> bf16(block, offset, n, out, at);
      case INT8 -> int8(block, offset, n, out, at);
      case INT4 -> int4(block, offset, n, out, at);
      case FP8_E4M3 -> fp8(block, offset, n, out, at, 20, 0x1p120f, 0x7F);
      case FP8_E5M2 -> fp8(block, offset, n, out, at, 21, 0x1p112f, 0x7C);
    }
  }

  private static void f16(MemorySegment block, long offset, int n, float[] out, int at) {
    for (int i = 0; i < n; i++) {
      out[at + i] = Float.float16ToFloat(block.get(JAVA_SHORT_UNALIGNED, offset + 2L * i));
    }
  }

  private static void bf16(MemorySegment block, long offset, int n, float[] out, int at) {
    if (!WIDE) {
      for (int i = 0; i < n; i++) {
        out[at + i] = Codecs.bf16ToFloat(block.get(JAVA_SHORT_UNALIGNED, offset + 2L * i));
      }
      return;
    }
    for (int i = 0; i < n; i += VL) {
      ShortVector codes = ShortVector.fromMemorySegment(S, block, offset + 2L * i, LITTLE_ENDIAN);
      IntVector wide = (IntVector) codes.convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
      wide.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, at + i);
    }
  }

  private static void int8(MemorySegment block, long offset, int n, float[] out, int at) {
    if (!WIDE) {
      for (int i = 0; i < n; i++) {
        out[at + i] = block.get(JAVA_BYTE, offset + i);
      }
      return;
    }
    for (int i = 0; i < n; i += VL) {
      ByteVector codes = ByteVector.fromMemorySegment(B, block, offset + i, LITTLE_ENDIAN);
      IntVector wide = (IntVector) codes.convertShape(VectorOperators.B2I, I, 0);
      ((FloatVector) wide.convertShape(VectorOperators.I2F, F, 0)).intoArray(out, at + i);
    }
  }

  /** Runs of 64 codes: 32 in the low nibbles, 32 in the high ones. */
  private static void int4(MemorySegment block, long offset, int n, float[] out, int at) {
    for (int run = 0; run < n; run += RUN) {
      for (int i = 0; i < RUN / 2; i += VL) {
        nibbles(block, offset + run / 2 + i, out, at + run + i);
      }
    }
  }

  private static void nibbles(MemorySegment block, long offset, float[] out, int at) {
    if (!WIDE) {
      for (int i = 0; i < VL; i++) {
        byte pair = block.get(JAVA_BYTE, offset + i);
        out[at + i] = pair & 15;
        out[at + RUN / 2 + i] = pair >> 4 & 15;
      }
      return;
    }
    ByteVector codes = ByteVector.fromMemorySegment(B, block, offset, LITTLE_ENDIAN);
    IntVector wide = (IntVector) codes.convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0);
    IntVector high = wide.lanewise(VectorOperators.LSHR, 4);
    ((FloatVector) wide.and(15).convertShape(VectorOperators.I2F, F, 0)).intoArray(out, at);
    ((FloatVector) high.convertShape(VectorOperators.I2F, F, 0)).intoArray(out, at + RUN / 2);
  }

  /**
   * Puts exponent and mantissa where a float has them and lets one multiplication correct the
   * exponent's bias, which also makes subnormals right.
   *
   * @param firstNan the smallest magnitude code that is no finite number
   */
  private static void fp8(
      MemorySegment block,
      long offset,
      int n,
      float[] out,
      int at,
      int shift,
      float bias,
      int firstNan) {
    if (!WIDE) {
      for (int i = 0; i < n; i++) {
        byte code = block.get(JAVA_BYTE, offset + i);
        out[at + i] = shift == 20 ? Codecs.e4m3ToFloat(code) : Codecs.e5m2ToFloat(code);
      }
      return;
    }
    for (int i = 0; i < n; i += VL) {
      ByteVector codes = ByteVector.fromMemorySegment(B, block, offset + i, LITTLE_ENDIAN);
      IntVector wide = (IntVector) codes.convertShape(VectorOperators.ZERO_EXTEND_B2I, I, 0);
      IntVector magnitude = wide.and(0x7F);
      IntVector sign = wide.and(0x80).lanewise(VectorOperators.LSHL, 24);
      VectorMask<Float> nan = magnitude.compare(VectorOperators.GE, firstNan).cast(F);
      magnitude
          .lanewise(VectorOperators.LSHL, shift)
          .or(sign)
          .reinterpretAsFloats()
          .mul(bias)
          .blend(Float.NaN, nan)
          .intoArray(out, at + i);
    }
  }
}
