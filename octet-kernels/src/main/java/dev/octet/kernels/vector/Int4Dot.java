package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.ScaleGrid;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Packed INT4 weights, eight a word. A nibble is masked where it lies, not shifted down: as an
 * integer it is {@code (q + 8)·16^p}, and x at place p carries the factor {@code 16^-p}; both are
 * powers of two, so nothing is rounded. Three operations a vector of weights are left: mask,
 * convert, multiply-add. The 8 and the zero point come off once a block, {@code (8 + z)·Σx}; as
 * weights are at most 15 that costs about a bit of F32's 24.
 *
 * <p>For integer x every lane's sum is an exact integer: 15 · 255 · 4096 is less than 2²⁴.
 */
final class Int4Dot implements RowDot {
  private static final int PER_WORD = 8;
  private static final int BLOCK = PER_WORD * LANES;
  private static final int EXACT = 4096 * LANES;
  private static final IntVector BIAS = IntVector.broadcast(Lanes.I, 0x88888888);
  private static final IntVector MASK0 = mask(0);
  private static final IntVector MASK1 = mask(1);
  private static final IntVector MASK2 = mask(2);
  private static final IntVector MASK3 = mask(3);
  private static final IntVector MASK4 = mask(4);
  private static final IntVector MASK5 = mask(5);
  private static final IntVector MASK6 = mask(6);

  private final Int4Weight weight;
  private final MemorySegment packed;
  private final long rowBytes;
  private final BlockScales scales;
  private final boolean integers;
  private final int k;
  private final int whole;

  Int4Dot(Int4Weight weight, boolean integers) {
    this.weight = weight;
    this.packed = weight.packed().segment();
    this.rowBytes = weight.packed().dim(1);
    this.k = Math.toIntExact(weight.columns());
    this.scales = new BlockScales(weight.grid(), k);
    this.integers = integers;
    this.whole = Lanes.whole(k, PER_WORD);
  }

  /**
   * Whether blocks of columns are made of whole vectors, little is left at the end of a row, and
   * blocks are not offset.
   */
  static boolean suits(Int4Weight weight) {
    ScaleGrid grid = weight.grid();
    long k = weight.columns();
    boolean blocks = grid.columnBlock() % BLOCK == 0 || grid.columnBlock() >= k;
    return grid.offsets() == null && blocks && k <= EXACT && (k % BLOCK == 0 || k >= 16L * BLOCK);
  }

  @Override
  public Input arrange(float[] x) {
    float[] values = Lanes.arrange(x, PER_WORD);
    for (int from = 0; from < whole; from += BLOCK) {
      for (int p = 1; p < PER_WORD; p++) {
        float factor = Math.scalb(1f, -4 * Math.min(p, 6)); // place 7 is shifted down to 6
        for (int i = 0; i < LANES; i++) {
          values[from + p * LANES + i] *= factor;
        }
      }
    }
    return new Input(values, wholeSums(x));
  }

  /** Σx of every block without the columns that the scalar tail takes. */
  private double[] wholeSums(float[] x) {
    float[] masked = x.clone();
    for (int j = whole; j < k; j++) {
      masked[j] = 0;
    }
    return scales.sums(masked);
  }

  @Override
  public void dot(int from, int to, Input x, double[] out) {
    for (int row = from; row < to; row++) {
      long base = row * rowBytes;
      double sum = integers ? integers(row, base, x) : floats(row, base, x);
      for (int j = whole; j < k; j++) {
        int index = j / scales.width();
        double w = weight.code(row, j) - scales.zero(scales.first(row) + index);
        sum += w * x.values()[j] * (integers ? 1 : scales.scale(scales.first(row) + index));
      }
      out[row - from] = sum;
    }
  }

  /** One block is the whole row: {@link #suits} keeps its sum exact. */
  private double integers(int row, long base, Input input) {
    float[] x = input.values();
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    for (int j = 0; j < whole; j += BLOCK) {
      IntVector v = load(base, j);
      a = place(v, MASK0, x, j, a);
      b = place(v, MASK1, x, j + LANES, b);
      c = place(v, MASK2, x, j + 2 * LANES, c);
      d = place(v, MASK3, x, j + 3 * LANES, d);
      a = place(v, MASK4, x, j + 4 * LANES, a);
      b = place(v, MASK5, x, j + 5 * LANES, b);
      c = place(v, MASK6, x, j + 6 * LANES, c);
      d = place(v.lanewise(VectorOperators.LSHR, 4), MASK6, x, j + 7 * LANES, d);
    }
    long sum = Lanes.exactSum(a.add(b).add(c.add(d)));
    return sum - (8 + scales.zero(scales.first(row))) * input.sums()[0];
  }

  private double floats(int row, long base, Input input) {
    float[] x = input.values();
    FloatVector total = FloatVector.zero(F);
    double offset = 0;
    long index = scales.first(row);
    int j = 0;
    for (int block = 0; j < whole; block++) {
      int end = Math.min(whole, scales.end(block));
      FloatVector a = FloatVector.zero(F);
      FloatVector b = a;
      FloatVector c = a;
      FloatVector d = a;
      for (; j < end; j += BLOCK) {
        IntVector v = load(base, j);
        a = place(v, MASK0, x, j, a);
        b = place(v, MASK1, x, j + LANES, b);
        c = place(v, MASK2, x, j + 2 * LANES, c);
        d = place(v, MASK3, x, j + 3 * LANES, d);
        a = place(v, MASK4, x, j + 4 * LANES, a);
        b = place(v, MASK5, x, j + 5 * LANES, b);
        c = place(v, MASK6, x, j + 6 * LANES, c);
        d = place(v.lanewise(VectorOperators.LSHR, 4), MASK6, x, j + 7 * LANES, d);
      }
      float scale = scales.scale(index + block);
      total = a.add(b).add(c.add(d)).fma(FloatVector.broadcast(F, scale), total);
      offset += scale * (8 + scales.zero(index + block)) * input.sums()[block];
    }
    return Lanes.sum(total) - offset;
  }

  private IntVector load(long base, int j) {
    return IntVector.fromMemorySegment(Lanes.I, packed, base + (j >> 1), LITTLE_ENDIAN)
        .lanewise(VectorOperators.XOR, BIAS);
  }

  private static FloatVector place(
      IntVector v, IntVector mask, float[] x, int at, FloatVector sum) {
    return Lanes.toFloat(v.lanewise(VectorOperators.AND, mask))
        .fma(FloatVector.fromArray(F, x, at), sum);
  }

  private static IntVector mask(int place) {
    return IntVector.broadcast(Lanes.I, 0xF << 4 * place);
  }
}
