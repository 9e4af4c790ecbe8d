package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.LANES;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.Codecs;
import dev.octet.tensor.Fp4Weight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Packed FP4 weights. Every lane takes the 32-bit word that holds its nibble and shifts it to the
 * top: there is the sign, and exponent and mantissa move to where F32 has them. The bias is
 * corrected by an exact product with a power of two, which takes the subnormal ½ along.
 */
final class Fp4Decoder implements RowDecoder {
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final ValueLayout.OfInt WORD =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);

  /** Columns of a word. */
  private static final int PER_WORD = 8;

  private static final IntVector SHIFTS = IntVector.fromArray(I, shifts(), 0);
  private static final VectorMask<Integer> SECOND_WORD =
      VectorMask.fromLong(I, LANES > PER_WORD ? -1L << PER_WORD : 0);
  private static final float REBIAS = 0x1p126f;

  private final Fp4Weight weight;
  private final MemorySegment packed;
  private final long rowBytes;
  private final int group;

  Fp4Decoder(Fp4Weight weight) {
    this.weight = weight;
    this.packed = weight.packed().segment();
    this.rowBytes = weight.packed().dim(1);
    this.group = weight.group();
  }

  private static int[] shifts() {
    int[] shifts = new int[LANES];
    for (int i = 0; i < LANES; i++) {
      shifts[i] = 28 - 4 * (i % PER_WORD);
    }
    return shifts;
  }

  @Override
  public void decode(long row, int from, int count, float[] out, int outFrom) {
    int end = from + count;
    for (int j = from; j < end; ) {
      int stop = (int) Math.min(end, (j / group + 1L) * group);
      stretch(row, j, stop, weight.scale(row, j), out, outFrom - from);
      j = stop;
    }
  }

  /** Columns of one group; column j goes to {@code out[shift + j]}. */
  private void stretch(long row, int from, int to, float scale, float[] out, int shift) {
    long base = row * rowBytes;
    int j = from;
    if ((from & 1) == 0 && LANES >= PER_WORD) {
      int words = LANES / PER_WORD;
      for (; j <= to - LANES; j += LANES) {
        long at = base + (j >> 1);
        if (at + 4L * words > packed.byteSize()) {
          break;
        }
        IntVector word = IntVector.broadcast(I, packed.get(WORD, at));
        if (words > 1) {
          word = word.blend(packed.get(WORD, at + 4), SECOND_WORD);
        }
        floats(word.lanewise(VectorOperators.LSHL, SHIFTS)).mul(scale).intoArray(out, shift + j);
      }
    }
    for (; j < to; j++) {
      int pair = packed.get(JAVA_BYTE, base + (j >> 1));
      out[shift + j] = Codecs.e2m1ToFloat(pair >> 4 * (j & 1)) * scale;
    }
  }

  /** The values of the nibbles at the top of the lanes. */
  private static FloatVector floats(IntVector top) {
    IntVector magnitude = top.and(0x70000000).lanewise(VectorOperators.LSHR, 6);
    FloatVector value = magnitude.reinterpretAsFloats().mul(REBIAS);
    IntVector sign = top.and(0x80000000);
    return value.reinterpretAsInts().or(sign).reinterpretAsFloats();
  }
}
