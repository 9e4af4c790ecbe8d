package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.tensor.Int8Weight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * INT8 weights. Bytes are widened to F32 and multiplied there: exact for integer x as long as a
 * lane's sum stays below 2²⁴. A zero point is taken off the sums of integers, where that is exact,
 * but off every weight where x is a float, since {@code Σq·x - z·Σx} would cancel.
 */
final class Int8Dot implements RowDot {
  /** 128 · 255 (codes widened by an offset) · 512 products a lane are less than 2²⁴. */
  private static final int EXACT = 512 * LANES;

  private final MemorySegment codes;
  private final BlockScales scales;
  private final boolean integers;
  private final boolean zeros;
  private final int k;

  Int8Dot(Int8Weight weight, boolean integers) {
    this.codes = weight.codes().segment();
    this.k = Math.toIntExact(weight.columns());
    this.scales = new BlockScales(weight.grid(), k);
    this.integers = integers;
    this.zeros = weight.grid().zeroPoints() != null;
  }

  /**
   * Whether a vector of bytes fills exactly a vector of floats (no 32-bit vectors exist) and blocks
   * are not offset.
   */
  static boolean suits(Int8Weight weight) {
    return Int8Decoder.B.length() == LANES && weight.grid().offsets() == null;
  }

  @Override
  public Input arrange(float[] x) {
    return new Input(x, integers ? scales.sums(x) : new double[0]);
  }

  @Override
  public void dot(int from, int to, Input x, double[] out) {
    for (int row = from; row < to; row++) {
      out[row - from] =
          integers ? integers(row, x) : zeros ? shifted(row, x.values()) : plain(row, x.values());
    }
  }

  private FloatVector load(long index) {
    return (FloatVector)
        ByteVector.fromMemorySegment(Int8Decoder.B, codes, index, LITTLE_ENDIAN)
            .convertShape(VectorOperators.B2F, F, 0);
  }

  private double integers(int row, Input input) {
    long base = (long) row * k;
    float[] x = input.values();
    long sum = 0;
    int j = 0;
    while (j <= k - 4 * LANES) {
      int stop = Math.min(k, j + EXACT) - 4 * LANES;
      FloatVector a = FloatVector.zero(F);
      FloatVector b = a;
      FloatVector c = a;
      FloatVector d = a;
      for (; j <= stop; j += 4 * LANES) {
        a = load(base + j).fma(FloatVector.fromArray(F, x, j), a);
        b = load(base + j + LANES).fma(FloatVector.fromArray(F, x, j + LANES), b);
        c = load(base + j + 2L * LANES).fma(FloatVector.fromArray(F, x, j + 2 * LANES), c);
        d = load(base + j + 3L * LANES).fma(FloatVector.fromArray(F, x, j + 3 * LANES), d);
      }
      sum += Lanes.exactSum(a.add(b).add(c.add(d)));
    }
    for (; j < k; j++) {
      sum += codes.get(JAVA_BYTE, base + j) * (long) x[j];
    }
    return sum - scales.zero(scales.first(row)) * input.sums()[0];
  }

  private double plain(int row, float[] x) {
    long base = (long) row * k;
    long index = scales.first(row);
    FloatVector total = FloatVector.zero(F);
    double rest = 0;
    int j = 0;
    for (int block = 0; block < scales.blocks(); block++) {
      int end = scales.end(block);
      FloatVector a = FloatVector.zero(F);
      FloatVector b = a;
      FloatVector c = a;
      FloatVector d = a;
      for (; j <= end - 4 * LANES; j += 4 * LANES) {
        a = load(base + j).fma(FloatVector.fromArray(F, x, j), a);
        b = load(base + j + LANES).fma(FloatVector.fromArray(F, x, j + LANES), b);
        c = load(base + j + 2L * LANES).fma(FloatVector.fromArray(F, x, j + 2 * LANES), c);
        d = load(base + j + 3L * LANES).fma(FloatVector.fromArray(F, x, j + 3 * LANES), d);
      }
      for (; j <= end - LANES; j += LANES) {
        a = load(base + j).fma(FloatVector.fromArray(F, x, j), a);
      }
      float scale = scales.scale(index + block);
      total = a.add(b).add(c.add(d)).fma(FloatVector.broadcast(F, scale), total);
      for (; j < end; j++) {
        rest += (double) codes.get(JAVA_BYTE, base + j) * x[j] * scale;
      }
    }
    return Lanes.sum(total) + rest;
  }

  private double shifted(int row, float[] x) {
    long base = (long) row * k;
    long index = scales.first(row);
    FloatVector total = FloatVector.zero(F);
    double rest = 0;
    int j = 0;
    for (int block = 0; block < scales.blocks(); block++) {
      int end = scales.end(block);
      int zero = scales.zero(index + block);
      FloatVector z = FloatVector.broadcast(F, zero);
      FloatVector a = FloatVector.zero(F);
      FloatVector b = a;
      for (; j <= end - 2 * LANES; j += 2 * LANES) {
        a = load(base + j).sub(z).fma(FloatVector.fromArray(F, x, j), a);
        b = load(base + j + LANES).sub(z).fma(FloatVector.fromArray(F, x, j + LANES), b);
      }
      for (; j <= end - LANES; j += LANES) {
        a = load(base + j).sub(z).fma(FloatVector.fromArray(F, x, j), a);
      }
      float scale = scales.scale(index + block);
      total = a.add(b).fma(FloatVector.broadcast(F, scale), total);
      for (; j < end; j++) {
        rest += (double) (codes.get(JAVA_BYTE, base + j) - zero) * x[j] * scale;
      }
    }
    return Lanes.sum(total) + rest;
  }
}
