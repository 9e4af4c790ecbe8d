package dev.octet.quantize.calibrate;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.model.LayerRunner.Operands;
import dev.octet.quantize.observe.CodeGrid;
import dev.octet.quantize.observe.Observer;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.observe.Range;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Watches what a layer's attention multiplies, and makes scales of it. */
final class OperandScales {
  private static final float[] NO_OFFSETS = {};

  private final AttentionQuant quant;
  private final CodeGrid grid;
  private final @Nullable Slices query;
  private final Slices key;
  private final Slices value;

  OperandScales(AttentionQuant quant, ModelConfig config) {
    this.quant = quant;
    int dim = config.headDim();
    int width = config.kvHeads() * dim;
    switch (quant) {
      case AttentionQuant.FaQuant fa -> {
        this.grid = CodeGrid.INT8;
        this.query =
            new Slices(config.heads() * dim, dim, AttentionQuant.FaQuant.window(fa.query()), grid);
        this.key = new Slices(width, dim, AttentionQuant.FaQuant.window(fa.key()), grid);
        this.value = new Slices(width, dim, AttentionQuant.FaQuant.window(fa.value()), grid);
      }
      case AttentionQuant.C8 c8 -> {
        this.grid = CodeGrid.INT8;
        this.query = null;
        this.key = new Slices(width, 1, c8.observer(), grid);
        this.value = new Slices(width, 1, c8.observer(), grid);
      }
      case AttentionQuant.KvFp8 fp8 -> {
        this.grid = CodeGrid.FP8;
        this.query = null;
        this.key = new Slices(width, fp8.perHead() ? dim : width, fp8.observer(), grid);
        this.value = new Slices(width, fp8.perHead() ? dim : width, fp8.observer(), grid);
      }
    }
  }

  /** The columns of a matrix, so many of them watched together. */
  private static final class Slices {
    private final int width;
    private final Observer[] observers;

    Slices(int columns, int width, ObserverSpec spec, CodeGrid grid) {
      this.width = width;
      this.observers = new Observer[columns / width];
      Arrays.setAll(observers, i -> spec.create(grid));
    }

    /** Adds one sequence, F32 [tokens, columns]. */
    void add(Tensor x) {
      int tokens = Math.toIntExact(x.rows());
      IntStream.range(0, observers.length)
          .parallel()
          .forEach(
              i -> {
                observers[i].add(columns(x, i * width, tokens), 0, tokens * width);
                observers[i].endBatch();
              });
    }

    private float[] columns(Tensor x, int first, int tokens) {
      float[] values = new float[tokens * width];
      for (int t = 0; t < tokens; t++) {
        long at = (t * x.columns() + first) * Float.BYTES;
        MemorySegment.copy(x.segment(), JAVA_FLOAT, at, values, t * width, width);
      }
      return values;
    }

    Range[] ranges() {
      Range[] ranges = new Range[observers.length];
      Arrays.parallelSetAll(ranges, i -> observers[i].range());
      return ranges;
    }
  }

  /**
   * Adds one sequence.
   *
   * @throws IllegalArgumentException if something is no finite number
   */
  void add(Operands operands) {
    if (query != null) {
      query.add(operands.query());
    }
    key.add(operands.key());
    value.add(operands.value());
  }

  /** Scales of the cache. */
  KvScales cache() {
    DType type = grid == CodeGrid.INT8 ? DType.I8 : DType.F8_E4M3;
    Range[] keys = key.ranges();
    Range[] values = value.ranges();
    return quant instanceof AttentionQuant.C8(_, boolean offsets) && offsets
        ? new KvScales(type, steps(keys), steps(values), offsets(keys), offsets(values))
        : new KvScales(type, scales(keys), scales(values));
  }

  /** Scales of queries; null if they stay as they are. */
  @Nullable QueryScales query() {
    return query == null ? null : new QueryScales(DType.I8, scales(query.ranges()), NO_OFFSETS);
  }

  private float[] scales(Range[] ranges) {
    float[] scales = new float[ranges.length];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = grid.scale(ranges[i]);
    }
    return scales;
  }

  /** {@code (max − min) / 255}. */
  private static float[] steps(Range[] ranges) {
    float[] steps = new float[ranges.length];
    for (int i = 0; i < steps.length; i++) {
      double span = (double) ranges[i].high() - ranges[i].low();
      steps[i] = (float) Math.max(span / 255, Float.MIN_NORMAL);
    }
    return steps;
  }

  /** {@code rint(−min / s) − 128}: the smallest value becomes the smallest code. */
  private static float[] offsets(Range[] ranges) {
    float[] steps = steps(ranges);
    float[] offsets = new float[ranges.length];
    for (int i = 0; i < offsets.length; i++) {
      double lowest = Math.rint(-(double) ranges[i].low() / steps[i]) - 128;
      offsets[i] = (float) Math.clamp(lowest, -128, 127);
    }
    return offsets;
  }
}
