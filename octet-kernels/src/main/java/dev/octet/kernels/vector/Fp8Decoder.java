package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.DType;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.ScaleGrid;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * FP8 weights. Exponent and mantissa are moved to where F32 has them and the bias is corrected by
 * an exact product with a power of two, which takes subnormals along.
 */
final class Fp8Decoder implements RowDecoder {
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;

  private final Fp8Weight weight;
  private final MemorySegment codes;
  private final ScaleGrid grid;
  private final int shift;
  private final float rebias;
  private final int firstSpecial;
  private final boolean infinities;

  Fp8Decoder(Fp8Weight weight) {
    this.weight = weight;
    this.codes = weight.codes().segment();
    this.grid = weight.grid();
    boolean e4m3 = weight.codes().dtype() == DType.F8_E4M3;
    this.shift = e4m3 ? 20 : 21;
    this.rebias = e4m3 ? 0x1p120f : 0x1p112f;
    this.firstSpecial = e4m3 ? 0x7F : 0x7C;
    this.infinities = !e4m3;
  }

  @Override
  public void decode(long row, int from, int count, float[] out, int outFrom) {
    long base = row * weight.columns();
    int end = from + count;
    for (int j = from; j < end; ) {
      int stop = (int) Math.min(end, (j / grid.columnBlock() + 1) * grid.columnBlock());
      stretch(base + j, stop - j, grid.scale(row, j), out, outFrom + j - from);
      j = stop;
    }
  }

  private void stretch(long index, int count, float scale, float[] out, int outFrom) {
    int j = 0;
    long last = codes.byteSize() - Int8Decoder.B.length();
    for (; j <= count - LANES && index + j <= last; j += LANES) {
      IntVector octets =
          (IntVector)
              ByteVector.fromMemorySegment(Int8Decoder.B, codes, index + j, LITTLE_ENDIAN)
                  .convertShape(VectorOperators.B2I, I, 0);
      decode(octets).mul(scale).intoArray(out, outFrom + j);
    }
    for (; j < count; j++) {
      out[outFrom + j] = weight.codes().getFloat(index + j) * scale;
    }
  }

  private FloatVector decode(IntVector octets) {
    IntVector magnitude = octets.and(0x7F);
    FloatVector value =
        magnitude.lanewise(VectorOperators.LSHL, shift).reinterpretAsFloats().mul(rebias);
    VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, firstSpecial);
    if (special.anyTrue()) {
      value = value.blend(Float.NaN, special.cast(F));
      if (infinities) {
        VectorMask<Integer> infinite = magnitude.compare(VectorOperators.EQ, firstSpecial);
        value = value.blend(Float.POSITIVE_INFINITY, infinite.cast(F));
      }
    }
    IntVector sign = octets.and(0x80000000);
    return value.reinterpretAsInts().or(sign).reinterpretAsFloats();
  }
}
