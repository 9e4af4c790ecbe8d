package dev.octet.kernels.linear;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.WorkPool;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Every channel times a number of its own, then stretches of channels times a Hadamard matrix, by
 * the fast transform (QuaRot's online rotation before the last layer of the feed-forward, arXiv
 * 2404.00456, section 4). The pool's threads share the work in pieces of rows.
 */
final class ScaledHadamard implements InputTransform {
  /** Channels from which on a row is worth another task. */
  private static final int PIECE = 8192;

  private static final ThreadLocal<KeptMemory> RESULT = ThreadLocal.withInitial(KeptMemory::new);

  private static final ThreadLocal<float[]> ROOM = ThreadLocal.withInitial(() -> new float[0]);

  private final float @Nullable [] scale;
  private final int order;
  private final float norm;
  private final int width;
  private final int piece;
  private final WorkPool pool;

  /**
   * @param scale of every channel [width]; null: none
   * @param order of the matrix, a power of two that divides the width; 0: none
   */
  ScaledHadamard(float @Nullable [] scale, int order, int width, WorkPool pool) {
    this.scale = scale;
    this.order = Math.max(1, order);
    this.norm = (float) (1 / Math.sqrt(this.order));
    this.width = width;
    this.piece = this.order * Math.max(1, PIECE / this.order);
    this.pool = pool;
  }

  @Override
  public boolean sameAs(InputTransform other) {
    return other instanceof ScaledHadamard o
        && order == o.order
        && width == o.width
        && Arrays.equals(scale, o.scale);
  }

  @Override
  public Tensor apply(Tensor x, int rows) {
    long bytes = Math.multiplyExact((long) rows * width, (long) Float.BYTES);
    MemorySegment result = RESULT.get().atLeast(bytes);
    int pieces = Math.ceilDiv(width, piece);
    pool.run(
        Math.multiplyExact(rows, pieces),
        task -> {
          int from = task % pieces * piece;
          transform(x, (long) (task / pieces) * width, from, Math.min(piece, width - from), result);
        });
    return Tensor.of(DType.F32, result.asSlice(0, bytes), rows, width);
  }

  /** Channels {@code from}…{@code from + count - 1} of the row that begins at {@code row}. */
  private void transform(Tensor x, long row, int from, int count, MemorySegment out) {
    long at = (row + from) * Float.BYTES;
    float[] values = room(count);
    MemorySegment.copy(x.segment(), JAVA_FLOAT_UNALIGNED, at, values, 0, count);
    if (scale != null) {
      for (int i = 0; i < count; i++) {
        values[i] *= scale[from + i];
      }
    }
    if (order > 1) {
      turn(values, count);
    }
    MemorySegment.copy(values, 0, out, JAVA_FLOAT_UNALIGNED, at, count);
  }

  private void turn(float[] x, int count) {
    for (int half = 1; half < order; half *= 2) {
      for (int base = 0; base < count; base += 2 * half) {
        for (int i = base; i < base + half; i++) {
          float a = x[i];
          float b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    for (int i = 0; i < count; i++) {
      x[i] *= norm;
    }
  }

  private static float[] room(int count) {
    float[] there = ROOM.get();
    if (there.length < count) {
      there = new float[count];
      ROOM.set(there);
    }
    return there;
  }
}
