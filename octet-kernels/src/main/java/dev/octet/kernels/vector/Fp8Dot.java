package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.DType;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.ScaleGrid;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * FP8 weights, four a word. A code at the top of a lane is shifted down arithmetically until
 * exponent and mantissa lie where F32 has them and the copies of the sign are masked off; the bias
 * is corrected by an exact product with a power of two, which takes subnormals along.
 *
 * <p>NaNs and infinities would become plain numbers that way. Adding one step to the magnitudes of
 * all four codes at once carries into the sign bit exactly for them; a row that has any is computed
 * again from its definition.
 */
final class Fp8Dot implements RowDot {
  private static final int PER_WORD = 4;
  private static final int BLOCK = PER_WORD * LANES;
  private static final IntVector MAGNITUDES = IntVector.broadcast(Lanes.I, 0x7F7F7F7F);
  private static final IntVector E4M3_STEP = IntVector.broadcast(Lanes.I, 0x01010101);
  private static final IntVector E5M2_STEP = IntVector.broadcast(Lanes.I, 0x04040404);
  private static final IntVector E4M3_MASK = IntVector.broadcast(Lanes.I, 0x87F00000);
  private static final IntVector E5M2_MASK = IntVector.broadcast(Lanes.I, 0x8FE00000);
  private static final FloatVector E4M3_REBIAS = FloatVector.broadcast(F, 0x1p120f);
  private static final FloatVector E5M2_REBIAS = FloatVector.broadcast(F, 0x1p112f);

  private final Fp8Weight weight;
  private final MemorySegment codes;
  private final BlockScales scales;
  private final int k;
  private final int whole;
  private final boolean e4m3;

  Fp8Dot(Fp8Weight weight) {
    this.weight = weight;
    this.codes = weight.codes().segment();
    this.k = Math.toIntExact(weight.columns());
    this.scales = new BlockScales(weight.grid(), k);
    this.whole = Lanes.whole(k, PER_WORD);
    this.e4m3 = weight.codes().dtype() == DType.F8_E4M3;
  }

  /** Whether blocks of columns are made of whole vectors. */
  static boolean suits(Fp8Weight weight) {
    ScaleGrid grid = weight.grid();
    return grid.columnBlock() % BLOCK == 0 || grid.columnBlock() >= weight.columns();
  }

  @Override
  public Input arrange(float[] x) {
    return new Input(Lanes.arrange(x, PER_WORD), new double[0]);
  }

  @Override
  public void dot(int from, int to, Input x, double[] out) {
    for (int row = from; row < to; row++) {
      long base = (long) row * k;
      double sum = e4m3 ? e4m3(row, base, x.values()) : e5m2(row, base, x.values());
      if (Double.isNaN(sum)) {
        sum = slowly(row, base, x.values());
      }
      for (int j = whole; j < k; j++) {
        double scale = scales.scale(scales.first(row) + j / scales.width());
        sum += weight.codes().getFloat(base + j) * scale * x.values()[j];
      }
      out[row - from] = sum;
    }
  }

  /** NaN if any weight is no finite number. */
  private double e4m3(int row, long base, float[] x) {
    FloatVector total = FloatVector.zero(F);
    IntVector special = IntVector.zero(Lanes.I);
    long index = scales.first(row);
    int j = 0;
    for (int block = 0; j < whole; block++) {
      int end = Math.min(whole, scales.end(block));
      FloatVector even = FloatVector.zero(F);
      FloatVector odd = even;
      for (; j < end; j += BLOCK) {
        IntVector v = IntVector.fromMemorySegment(Lanes.I, codes, base + j, LITTLE_ENDIAN);
        special = special.or(v.and(MAGNITUDES).add(E4M3_STEP));
        even = e4m3(v.lanewise(VectorOperators.LSHL, 24), x, j, even);
        odd = e4m3(v.lanewise(VectorOperators.LSHL, 16), x, j + LANES, odd);
        even = e4m3(v.lanewise(VectorOperators.LSHL, 8), x, j + 2 * LANES, even);
        odd = e4m3(v, x, j + 3 * LANES, odd);
      }
      float scale = scales.scale(index + block);
      total = even.add(odd).fma(FloatVector.broadcast(F, scale), total);
    }
    boolean finite = (special.reduceLanes(VectorOperators.OR) & 0x80808080) == 0;
    return finite ? Lanes.sum(total) : Double.NaN;
  }

  private static FloatVector e4m3(IntVector v, float[] x, int at, FloatVector sum) {
    IntVector bits = v.lanewise(VectorOperators.ASHR, 4).and(E4M3_MASK);
    FloatVector w = bits.reinterpretAsFloats().mul(E4M3_REBIAS);
    return w.fma(FloatVector.fromArray(F, x, at), sum);
  }

  /** The same for the other type: constants known to the compiler make twice the speed. */
  private double e5m2(int row, long base, float[] x) {
    FloatVector total = FloatVector.zero(F);
    IntVector special = IntVector.zero(Lanes.I);
    long index = scales.first(row);
    int j = 0;
    for (int block = 0; j < whole; block++) {
      int end = Math.min(whole, scales.end(block));
      FloatVector even = FloatVector.zero(F);
      FloatVector odd = even;
      for (; j < end; j += BLOCK) {
        IntVector v = IntVector.fromMemorySegment(Lanes.I, codes, base + j, LITTLE_ENDIAN);
        special = special.or(v.and(MAGNITUDES).add(E5M2_STEP));
        even = e5m2(v.lanewise(VectorOperators.LSHL, 24), x, j, even);
        odd = e5m2(v.lanewise(VectorOperators.LSHL, 16), x, j + LANES, odd);
        even = e5m2(v.lanewise(VectorOperators.LSHL, 8), x, j + 2 * LANES, even);
        odd = e5m2(v, x, j + 3 * LANES, odd);
      }
      float scale = scales.scale(index + block);
      total = even.add(odd).fma(FloatVector.broadcast(F, scale), total);
    }
    boolean finite = (special.reduceLanes(VectorOperators.OR) & 0x80808080) == 0;
    return finite ? Lanes.sum(total) : Double.NaN;
  }

  private static FloatVector e5m2(IntVector v, float[] x, int at, FloatVector sum) {
    IntVector bits = v.lanewise(VectorOperators.ASHR, 3).and(E5M2_MASK);
    FloatVector w = bits.reinterpretAsFloats().mul(E5M2_REBIAS);
    return w.fma(FloatVector.fromArray(F, x, at), sum);
  }

  private double slowly(int row, long base, float[] arranged) {
    double sum = 0;
    for (int j = 0; j < whole; j++) {
      int within = j % BLOCK;
      int at = j - within + within % PER_WORD * LANES + within / PER_WORD;
      double scale = scales.scale(scales.first(row) + j / scales.width());
      sum += weight.codes().getFloat(base + j) * scale * arranged[at];
    }
    return sum;
  }
}
