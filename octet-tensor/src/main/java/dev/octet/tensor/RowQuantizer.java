package dev.octet.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Quantizes one row after another of a matrix in plain arrays, whose loops the JIT compiles well.
 * One thread uses one.
 */
final class RowQuantizer {
  /**
   * Adding it rounds a small float to a whole number, half to even; its bits are then the integer.
   */
  private static final float ROUNDER = 0x1.8p23f;

  private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);

  private static final int INFINITY_KEY = sortable(Float.POSITIVE_INFINITY);

  private final Tensor weight;
  private final QuantScheme scheme;
  private final ScaleRule rule;
  private final int columns;
  private final int block;
  private final int blocks;
  private final int lowest;
  private final int highest;

  private final float[] row;
  private final byte[] codes;
  private final byte[] packed;
  private final float[] low;
  private final float[] high;
  private final float[] scales;
  private final short[] zeros;

  RowQuantizer(Tensor weight, QuantScheme scheme, ScaleRule rule, int block) {
    this.weight = weight;
    this.scheme = scheme;
    this.rule = rule;
    this.columns = (int) weight.dim(1);
    this.block = block;
    this.blocks = (int) ScaleGrid.blocks(columns, block);
    this.lowest = -(1 << scheme.type().bits() - 1);
    this.highest = -lowest - 1;
    this.row = new float[columns];
    this.codes = new byte[columns];
    this.packed = new byte[Nibbles.bytes(columns)];
    this.low = new float[blocks];
    this.high = new float[blocks];
    this.scales = new float[blocks];
    this.zeros = new short[blocks];
  }

  private int start(int b) {
    return b * block;
  }

  private int end(int b) {
    return (int) Math.min(columns, (b + 1L) * block);
  }

  /**
   * Reads row {@code r} and finds the range of every block.
   *
   * @throws IllegalArgumentException if it holds a NaN or an infinity
   */
  void load(long r) {
    weight.copyRange(r * columns, row, columns);
    for (int b = 0; b < blocks; b++) {
      findRange(b, r);
    }
  }

  /** Compares as integers, which order NaN outside the infinities, so that none slips through. */
  private void findRange(int b, long r) {
    int min = Integer.MAX_VALUE;
    int max = Integer.MIN_VALUE;
    int end = end(b);
    for (int j = start(b); j < end; j++) {
      int key = sortable(row[j]);
      min = Math.min(min, key);
      max = Math.max(max, key);
    }
    if (max >= INFINITY_KEY || min <= ~INFINITY_KEY) {
      throw notFinite(r);
    }
    low[b] = unsortable(min);
    high[b] = unsortable(max);
  }

  private static int sortable(float value) {
    int bits = Float.floatToRawIntBits(value);
    return bits ^ bits >> 31 & 0x7FFF_FFFF;
  }

  private static float unsortable(int key) {
    return Float.intBitsToFloat(key ^ key >> 31 & 0x7FFF_FFFF);
  }

  private IllegalArgumentException notFinite(long r) {
    int j = 0;
    while (j < columns - 1 && Float.isFinite(row[j])) {
      j++;
    }
    return new IllegalArgumentException(
        "element [%d, %d] is %s; only finite weights quantize".formatted(r, j, row[j]));
  }

  /** Chooses the scales of a row whose blocks are its own. */
  void chooseScales() {
    scalesFromRanges();
    boolean integers = scheme.type() == WeightType.INT8 || scheme.type() == WeightType.INT4;
    if (integers && scheme.symmetric() && rule.candidates().size() > 1) {
      for (int b = 0; b < blocks; b++) {
        scales[b] = leastError(b);
      }
    }
  }

  /** Chooses scales and zero points by the blocks' ranges alone. */
  void scalesFromRanges() {
    for (int b = 0; b < blocks; b++) {
      if (scheme.symmetric()) {
        scales[b] = scheme.scales().round(rule.scale(scheme.type(), low[b], high[b]));
      } else {
        asymmetric(b);
      }
    }
  }

  private void asymmetric(int b) {
    float lo = Math.min(low[b], 0);
    float hi = Math.max(high[b], 0);
    float scale = (float) (((double) hi - lo) / (highest - lowest));
    scales[b] = scheme.scales().round(Math.max(scale, ScaleRule.EPSILON));
    zeros[b] = (short) Math.min(highest, Math.rint((double) -lo / scales[b]) + lowest);
  }

  private float leastError(int b) {
    float best = scales[b];
    double bestError = Double.POSITIVE_INFINITY;
    for (ScaleRule candidate : rule.candidates()) {
      float scale = scheme.scales().round(candidate.scale(scheme.type(), low[b], high[b]));
      double error = squaredError(start(b), end(b), scale);
      if (error < bestError) {
        best = scale;
        bestError = error;
      }
    }
    return best;
  }

  private double squaredError(int from, int to, float scale) {
    float even = 0; // two sums, so that additions need not wait for each other
    float odd = 0;
    int j = from;
    for (; j < to - 1; j += 2) {
      float a = stepsOff(row[j] / scale);
      float b = stepsOff(row[j + 1] / scale);
      even += a * a;
      odd += b * b;
    }
    if (j < to) {
      float a = stepsOff(row[j] / scale);
      even += a * a;
    }
    return (even + odd) * ((double) scale * scale);
  }

  private float stepsOff(float steps) {
    float rounded = steps + ROUNDER - ROUNDER;
    return Math.clamp(rounded, lowest, highest) - steps;
  }

  /** Encodes the row that was loaded last. */
  void encode() {
    for (int b = 0; b < blocks; b++) {
      switch (scheme.type()) {
        case INT8, INT4 -> encodeIntegers(start(b), end(b), scales[b], zeros[b]);
        case FP8_E4M3 -> encodeE4m3(start(b), end(b), scales[b]);
        case FP8_E5M2 -> encodeE5m2(start(b), end(b), scales[b]);
      }
    }
  }

  /** Quotients are within ±255 by the choice of the scale, far inside what the rounder can do. */
  private void encodeIntegers(int from, int to, float scale, int zero) {
    for (int j = from; j < to; j++) {
      int q = Float.floatToRawIntBits(row[j] / scale + ROUNDER) - ROUNDER_BITS + zero;
      codes[j] = (byte) Math.max(lowest, Math.min(highest, q));
    }
  }

  private void encodeE4m3(int from, int to, float scale) {
    for (int j = from; j < to; j++) {
      codes[j] = Codecs.floatToE4m3(row[j] / scale);
    }
  }

  private void encodeE5m2(int from, int to, float scale) {
    for (int j = from; j < to; j++) {
      codes[j] = Codecs.floatToE5m2(row[j] / scale);
    }
  }

  void storeCodes(Tensor target, long r) {
    byte[] source = codes;
    if (scheme.type() == WeightType.INT4) {
      Nibbles.pack(codes, columns, packed);
      source = packed;
    }
    long at = r * source.length;
    MemorySegment.copy(source, 0, target.segment(), JAVA_BYTE, at, source.length);
  }

  void storeScales(Tensor scaleTensor, @Nullable Tensor zeroTensor, long r) {
    RoundToNearest.storeFloats(scales, scaleTensor, r);
    if (zeroTensor != null) {
      MemorySegment.copy(zeros, 0, zeroTensor.segment(), JAVA_SHORT, r * blocks << 1, blocks);
    }
  }

  void loadScales(Tensor scaleTensor, @Nullable Tensor zeroTensor, long r) {
    scaleTensor.copyRange(r * blocks, scales);
    if (zeroTensor != null) {
      MemorySegment.copy(zeroTensor.segment(), JAVA_SHORT, r * blocks << 1, zeros, 0, blocks);
    }
  }

  void storeRanges(Tensor lows, Tensor highs, long r) {
    RoundToNearest.storeFloats(low, lows, r);
    RoundToNearest.storeFloats(high, highs, r);
  }

  /** The ranges of the blocks that span all rows given. */
  void mergeRanges(Tensor lows, Tensor highs) {
    Arrays.fill(low, Float.POSITIVE_INFINITY);
    Arrays.fill(high, Float.NEGATIVE_INFINITY);
    for (long i = 0; i < lows.size(); i++) {
      int b = (int) (i % blocks);
      low[b] = Math.min(low[b], lows.getFloat(i));
      high[b] = Math.max(high[b], highs.getFloat(i));
    }
  }
}
