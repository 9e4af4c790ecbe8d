package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.ScaleGrid;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * INT8 weights: as {@code (q - z)·s + o}, or as the integers {@code q - z} where the scale is left
 * to the caller.
 */
final class Int8Decoder implements RowDecoder {
  static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, F.vectorBitSize() / 4)));

  private final MemorySegment codes;
  private final long columns;
  private final ScaleGrid grid;
  private final boolean integers;

  Int8Decoder(Int8Weight weight, boolean integers) {
    this.codes = weight.codes().segment();
    this.columns = weight.columns();
    this.grid = weight.grid();
    this.integers = integers;
  }

  @Override
  public int integerBound() {
    return integers ? (grid.symmetric() ? 128 : 255) : 0;
  }

  @Override
  public void decode(long row, int from, int count, float[] out, int outFrom) {
    long base = row * columns;
    int end = from + count;
    for (int j = from; j < end; ) {
      int stop = (int) Math.min(end, (j / grid.columnBlock() + 1) * grid.columnBlock());
      float scale = integers ? 1 : grid.scale(row, j);
      float offset = integers ? 0 : grid.offset(row, j);
      stretch(base + j, stop - j, scale, grid.zeroPoint(row, j), offset, out, outFrom + j - from);
      j = stop;
    }
  }

  private void stretch(
      long index, int count, float scale, int zero, float offset, float[] out, int outFrom) {
    int j = 0;
    long last = codes.byteSize() - B.length();
    for (; j <= count - LANES && index + j <= last; j += LANES) {
      FloatVector v =
          (FloatVector)
              ByteVector.fromMemorySegment(B, codes, index + j, LITTLE_ENDIAN)
                  .convertShape(VectorOperators.B2F, F, 0);
      v.sub(zero).mul(scale).add(offset).intoArray(out, outFrom + j);
    }
    for (; j < count; j++) {
      out[outFrom + j] = (codes.get(ValueLayout.JAVA_BYTE, index + j) - zero) * scale + offset;
    }
  }
}
