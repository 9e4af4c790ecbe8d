package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** F32, BF16 and F16 weights. */
final class DenseDecoder implements RowDecoder {
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(F.vectorBitSize() / 2));

  private final DType dtype;
  private final MemorySegment values;
  private final Tensor tensor;
  private final long rowStride;

  DenseDecoder(Tensor tensor) {
    this.tensor = tensor;
    this.dtype = tensor.dtype();
    this.values = tensor.segment();
    this.rowStride = tensor.rowStride();
  }

  @Override
  public void decode(long row, int from, int count, float[] out, int outFrom) {
    long first = row * rowStride + from;
    switch (dtype) {
      case F32 -> MemorySegment.copy(values, JAVA_FLOAT_UNALIGNED, first << 2, out, outFrom, count);
      case BF16 -> bf16(first, count, out, outFrom);
      default -> f16(first, count, out, outFrom);
    }
    if (dtype != DType.F32) {
      long logical = row * tensor.columns() + from;
      for (int j = count - count % LANES; j < count; j++) {
        out[outFrom + j] = tensor.getFloat(logical + j);
      }
    }
  }

  private IntVector load(long index) {
    ShortVector codes = ShortVector.fromMemorySegment(S, values, index << 1, LITTLE_ENDIAN);
    return (IntVector) codes.convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
  }

  private void bf16(long first, int count, float[] out, int outFrom) {
    for (int j = 0; j <= count - LANES; j += LANES) {
      load(first + j)
          .lanewise(VectorOperators.LSHL, 16)
          .reinterpretAsFloats()
          .intoArray(out, outFrom + j);
    }
  }

  /** Exponent and mantissa moved into place, then the exponent's bias corrected by a product. */
  private void f16(long first, int count, float[] out, int outFrom) {
    float rebias = 0x1p112f;
    for (int j = 0; j <= count - LANES; j += LANES) {
      IntVector h = load(first + j);
      IntVector magnitude = h.and(0x7FFF);
      FloatVector value = magnitude.lanewise(VectorOperators.LSHL, 13).reinterpretAsFloats();
      value = value.mul(rebias);
      VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x7C00);
      if (special.anyTrue()) {
        IntVector bits = magnitude.and(0x3FF).lanewise(VectorOperators.LSHL, 13).or(0x7F800000);
        value = value.blend(bits.reinterpretAsFloats(), special.cast(F));
      }
      IntVector sign = h.and(0x8000).lanewise(VectorOperators.LSHL, 16);
      value.reinterpretAsInts().or(sign).reinterpretAsFloats().intoArray(out, outFrom + j);
    }
  }
}
