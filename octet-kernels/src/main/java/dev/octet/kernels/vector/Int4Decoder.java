package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.ScaleGrid;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Packed INT4 weights. A vector of bytes holds the even columns in its low and the odd ones in its
 * high nibbles; putting them side by side again would cost more than the product, so of every whole
 * stretch of two vectors the even columns come out first. The caller arranges x in the same way; a
 * dot product does not care about order.
 */
final class Int4Decoder implements RowDecoder {
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final int PAIR = 2 * LANES;

  private final Int4Weight weight;
  private final MemorySegment packed;
  private final long rowBytes;
  private final ScaleGrid grid;
  private final boolean integers;
  private final boolean aligned;

  Int4Decoder(Int4Weight weight, boolean integers) {
    this.weight = weight;
    this.packed = weight.packed().segment();
    this.rowBytes = weight.packed().dim(1);
    this.grid = weight.grid();
    this.integers = integers;
    this.aligned = grid.columnBlock() % PAIR == 0 || grid.columnBlock() >= weight.columns();
  }

  @Override
  public boolean splitsPairs() {
    return true;
  }

  @Override
  public int integerBound() {
    return integers ? (grid.symmetric() ? 8 : 16) : 0;
  }

  @Override
  public void decode(long row, int from, int count, float[] out, int outFrom) {
    int j = 0;
    if (aligned) {
      j = vectors(row, from, count, out, outFrom);
    }
    for (; j < count; j++) {
      int column = from + j;
      float value = weight.code(row, column) - grid.zeroPoint(row, column);
      out[outFrom + place(j, count)] =
          integers ? value : value * grid.scale(row, column) + grid.offset(row, column);
    }
  }

  /** Where column j of a stretch of {@code count} goes: see {@link #splitsPairs}. */
  static int place(int j, int count) {
    int whole = count - count % PAIR;
    if (j >= whole) {
      return j;
    }
    int within = j % PAIR;
    return j - within + (within >> 1) + (within & 1) * LANES;
  }

  private int vectors(long row, int from, int count, float[] out, int outFrom) {
    long base = row * rowBytes;
    long last = packed.byteSize() - Int8Decoder.B.length();
    int j = 0;
    while (j <= count - PAIR) {
      int column = from + j;
      float scale = integers ? 1 : grid.scale(row, column);
      int zero = grid.zeroPoint(row, column);
      float offset = grid.offset(row, column);
      long next = Math.min(from + count, (column / grid.columnBlock() + 1) * grid.columnBlock());
      int stop = (int) (next - from);
      for (; j <= stop - PAIR; j += PAIR) {
        long index = base + (from + j >> 1);
        if (index > last) {
          return j;
        }
        IntVector octets =
            (IntVector)
                ByteVector.fromMemorySegment(Int8Decoder.B, packed, index, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2I, I, 0);
        IntVector even = octets.lanewise(VectorOperators.LSHL, 28);
        IntVector odd = octets.lanewise(VectorOperators.LSHL, 24);
        nibbles(even, zero, scale, offset, out, outFrom + j);
        nibbles(odd, zero, scale, offset, out, outFrom + j + LANES);
      }
      if (j < stop) {
        return j; // a short last stretch: the scalar loop has its order
      }
    }
    return j;
  }

  private static void nibbles(
      IntVector top, int zero, float scale, float offset, float[] out, int at) {
    IntVector codes = top.lanewise(VectorOperators.ASHR, 28).sub(zero);
    FloatVector v = (FloatVector) codes.convertShape(VectorOperators.I2F, F, 0);
    v.mul(scale).add(offset).intoArray(out, at);
  }
}
