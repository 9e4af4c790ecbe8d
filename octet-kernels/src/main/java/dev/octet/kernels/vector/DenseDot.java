package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** F32, BF16 and F16 weights: the 16-bit ones two a word. */
final class DenseDot implements RowDot {
  private static final int SIGN_AND_MAGNITUDE = 0x8FFFE000;

  private final Tensor tensor;
  private final MemorySegment values;
  private final DType dtype;
  private final long stride;
  private final int k;
  private final int whole;

  DenseDot(Tensor tensor) {
    this.tensor = tensor;
    this.values = tensor.segment();
    this.dtype = tensor.dtype();
    this.stride = dtype.bytes(tensor.rowStride());
    this.k = Math.toIntExact(tensor.columns());
    this.whole = Lanes.whole(k, dtype == DType.F32 ? 4 : 2);
  }

  @Override
  public Input arrange(float[] x) {
    return new Input(dtype == DType.F32 ? x : Lanes.arrange(x, 2), new double[0]);
  }

  @Override
  public void dot(int from, int to, Input x, double[] out) {
    for (int row = from; row < to; row++) {
      double sum =
          switch (dtype) {
            case F32 -> f32(row * stride, x.values());
            case BF16 -> bf16(row * stride, x.values());
            default -> f16(row * stride, x.values());
          };
      for (int j = whole; j < k; j++) {
        sum += (double) tensor.getFloat((long) row * k + j) * x.values()[j];
      }
      out[row - from] = sum;
    }
  }

  private double f32(long base, float[] x) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    for (int j = 0; j < whole; j += 4 * LANES) {
      a = word(base, j).fma(FloatVector.fromArray(F, x, j), a);
      b = word(base, j + LANES).fma(FloatVector.fromArray(F, x, j + LANES), b);
      c = word(base, j + 2 * LANES).fma(FloatVector.fromArray(F, x, j + 2 * LANES), c);
      d = word(base, j + 3 * LANES).fma(FloatVector.fromArray(F, x, j + 3 * LANES), d);
    }
    return Lanes.sum(a.add(b).add(c.add(d)));
  }

  private FloatVector word(long base, int j) {
    return FloatVector.fromMemorySegment(F, values, base + 4L * j, LITTLE_ENDIAN);
  }

  private IntVector pair(long base, int j) {
    return IntVector.fromMemorySegment(Lanes.I, values, base + 2L * j, LITTLE_ENDIAN);
  }

  private double bf16(long base, float[] x) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    for (int j = 0; j < whole; j += 2 * LANES) {
      IntVector v = pair(base, j);
      FloatVector even = v.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
      FloatVector odd = v.and(0xFFFF0000).reinterpretAsFloats();
      a = even.fma(FloatVector.fromArray(F, x, j), a);
      b = odd.fma(FloatVector.fromArray(F, x, j + LANES), b);
    }
    return Lanes.sum(a.add(b));
  }

  /** As Fp8Dot: bits moved into place, the exponent's bias corrected by an exact product. */
  private double f16(long base, float[] x) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    IntVector special = IntVector.zero(Lanes.I);
    for (int j = 0; j < whole; j += 2 * LANES) {
      IntVector v = pair(base, j);
      special = special.or(v.and(0x7FFF7FFF).add(0x04000400));
      a = f16Top(v.lanewise(VectorOperators.LSHL, 16)).fma(FloatVector.fromArray(F, x, j), a);
      b = f16Top(v).fma(FloatVector.fromArray(F, x, j + LANES), b);
    }
    if ((special.reduceLanes(VectorOperators.OR) & 0x80008000) != 0) {
      return exactly(base, x);
    }
    return Lanes.sum(a.add(b));
  }

  private static FloatVector f16Top(IntVector v) {
    IntVector bits = v.lanewise(VectorOperators.ASHR, 3).and(SIGN_AND_MAGNITUDE);
    return bits.reinterpretAsFloats().mul(0x1p112f);
  }

  /** The same row with infinities and NaNs. */
  private double exactly(long base, float[] arranged) {
    long first = base / 2;
    double sum = 0;
    for (int j = 0; j < whole; j++) {
      int within = j % (2 * LANES);
      int at = j - within + (within >> 1) + (within & 1) * LANES;
      float w = Float.float16ToFloat(values.get(JAVA_SHORT_UNALIGNED, 2 * (first + j)));
      sum += (double) w * arranged[at];
    }
    return sum;
  }
}
