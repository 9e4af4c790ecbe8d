package dev.octet.kernels.cpu;

import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.KeyAngles;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.linear.Shapes;
import dev.octet.kernels.vector.RotaryCache;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * What works row by row or element by element, in parts of some ten thousand elements: what one
 * token needs is one part, which the calling thread does in less time than others take to join.
 * Every element comes out the same whatever the parts are.
 */
final class Elementwise {
  /** Elements of a part. */
  private static final int PART = 1 << 14;

  private final WorkPool pool;
  private final ElementwiseCalls calls;
  private final RotaryCache rotary = new RotaryCache();

  Elementwise(WorkPool pool, NativeKernels library) {
    this.pool = pool;
    this.calls = new ElementwiseCalls(library);
  }

  /** {@link dev.octet.kernels.Kernels#rmsNorm}. */
  void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
    int n = Math.toIntExact(x.columns());
    Shapes.requireVector("weight", weight, n);
    Shapes.requireRows("x", x, n);
    Shapes.requireSame("x and out", x, out);
    if (bias != null) {
      Shapes.requireVector("bias", bias, n);
    }
    MemorySegment weights = weight.segment();
    MemorySegment biases = bias == null ? null : bias.segment();
    MemorySegment from = x.segment();
    MemorySegment to = out.segment();
    int rows = Math.toIntExact(x.rows());
    if ((long) rows * n <= PART) {
      calls.rmsNorm(from, rows, n, weights, biases, epsilon, to);
      return;
    }
    eachRows(
        rows,
        n,
        (first, count) ->
            calls.rmsNorm(
                part(from, first, count, n),
                count,
                n,
                weights,
                biases,
                epsilon,
                part(to, first, count, n)));
  }

  /** {@link dev.octet.kernels.Kernels#rope}. */
  void rope(Tensor x, int[] positions, RotaryTable table) {
    int half = table.inverse().length;
    Shapes.requireHeads(x, positions.length, 2 * half);
    rotateAll(x, positions.length, positions, half, rotary.angles(table, positions));
  }

  /**
   * {@link dev.octet.kernels.Kernels#append}, of keys that are consecutive, to a layer that turns
   * them on their way.
   */
  void append(PagedKvLayer kv, Tensor keys, Tensor values, int[] positions, RotaryTable table) {
    int half = table.inverse().length;
    int tokens = positions.length;
    Shapes.requireHeads(keys, tokens, 2 * half);
    RotaryCache.Angles angles = rotary.angles(table, positions);
    rotateAll(keys, Math.min(tokens, kv.smoothedNext()), positions, half, angles);
    int row = positions[0] - angles.first();
    KeyAngles turns =
        new KeyAngles(
            part(angles.cos(), row, tokens, half), part(angles.sin(), row, tokens, half), half);
    kv.append(keys, values, turns);
  }

  /** Whether they count up by one, and there are any. */
  static boolean areConsecutive(int[] positions) {
    for (int i = 1; i < positions.length; i++) {
      if (positions[i] != positions[i - 1] + 1) {
        return false;
      }
    }
    return positions.length > 0;
  }

  /** Rotates the first {@code tokens} of x [tokens, heads, headDim]. */
  private void rotateAll(
      Tensor x, int tokens, int[] positions, int half, RotaryCache.Angles angles) {
    long heads = x.dim(1);
    long headDim = x.dim(2);
    int width = Math.toIntExact(heads * headDim);
    MemorySegment values = x.segment();
    if ((long) tokens * width <= PART) {
      rotate(values, 0, tokens, positions, heads, headDim, half, angles);
      return;
    }
    eachRows(
        tokens,
        width,
        (first, count) -> rotate(values, first, count, positions, heads, headDim, half, angles));
  }

  /** Rotates tokens; those at consecutive positions in one call. */
  private void rotate(
      MemorySegment x,
      int first,
      int count,
      int[] positions,
      long heads,
      long headDim,
      int half,
      RotaryCache.Angles angles) {
    int end = first + count;
    int from = first;
    while (from < end) {
      int to = from + 1;
      while (to < end && positions[to] == positions[to - 1] + 1) {
        to++;
      }
      int row = positions[from] - angles.first();
      calls.rope(
          part(x, from, to - from, heads * headDim),
          to - from,
          heads,
          headDim,
          half,
          part(angles.cos(), row, to - from, half),
          part(angles.sin(), row, to - from, half));
      from = to;
    }
  }

  /** {@link dev.octet.kernels.Kernels#swiGlu}. */
  void swiGlu(Tensor gate, Tensor up, Tensor out) {
    Shapes.requireSame("gate and up", gate, up);
    Shapes.requireSame("gate and out", gate, out);
    MemorySegment gates = gate.segment();
    MemorySegment ups = up.segment();
    MemorySegment to = out.segment();
    if (gate.size() <= PART) {
      calls.swiGlu(gates, ups, gate.size(), to);
      return;
    }
    eachElements(
        gate.size(),
        (first, count) ->
            calls.swiGlu(
                part(gates, first, count, 1),
                part(ups, first, count, 1),
                count,
                part(to, first, count, 1)));
  }

  /** {@link dev.octet.kernels.Kernels#add}. */
  void add(Tensor x, Tensor y) {
    Shapes.requireSame("x and y", x, y);
    MemorySegment sums = x.segment();
    MemorySegment added = y.segment();
    if (x.size() <= PART) {
      calls.add(sums, added, x.size());
      return;
    }
    eachElements(
        x.size(),
        (first, count) ->
            calls.add(part(sums, first, count, 1), part(added, first, count, 1), count));
  }

  /** {@link dev.octet.kernels.Kernels#softmax}. */
  void softmax(Tensor x) {
    int n = Math.toIntExact(x.columns());
    Shapes.requireRows("x", x, n);
    MemorySegment values = x.segment();
    eachRows(
        Math.toIntExact(x.rows()),
        n,
        (first, count) -> calls.softmax(part(values, first, count, n), count, n));
  }

  /** A range of rows. */
  private interface Rows {
    void run(int first, int count);
  }

  private void eachRows(int rows, int width, Rows task) {
    int each = Math.max(1, PART / Math.max(1, width));
    pool.run(Math.ceilDiv(rows, each), i -> task.run(i * each, Math.min(each, rows - i * each)));
  }

  /** A range of elements. */
  private interface Elements {
    void run(long first, long count);
  }

  private void eachElements(long size, Elements task) {
    pool.run(
        Math.toIntExact(Math.ceilDiv(size, PART)),
        i -> task.run((long) i * PART, Math.min(PART, size - (long) i * PART)));
  }

  private static MemorySegment part(MemorySegment whole, long first, long count, long width) {
    return whole.asSlice(4 * first * width, 4 * count * width);
  }
}
