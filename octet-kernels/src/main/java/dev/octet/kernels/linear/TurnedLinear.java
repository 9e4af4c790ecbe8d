package dev.octet.kernels.linear;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.Linear;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.DType;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A layer that multiplies stretches of its input by a Hadamard matrix first, by the fast transform:
 * QuaRot's online rotation before the last layer of the feed-forward (arXiv 2404.00456, section 4).
 */
final class TurnedLinear implements Linear {
  private final Linear linear;
  private final int order;
  private final float norm;
  private final WorkPool pool;

  /**
   * @param order of the matrix, a power of two that divides the input features
   */
  TurnedLinear(Linear linear, int order, WorkPool pool) {
    this.linear = linear;
    this.order = order;
    this.pool = pool;
    this.norm = (float) (1 / Math.sqrt(order));
  }

  @Override
  public long inFeatures() {
    return linear.inFeatures();
  }

  @Override
  public long outFeatures() {
    return linear.outFeatures();
  }

  @Override
  public long byteSize() {
    return linear.byteSize();
  }

  @Override
  public RowTable table() {
    return linear.table();
  }

  @Override
  public void apply(Tensor x, Tensor out) {
    int rows = Shapes.requireLinear(x, out, inFeatures(), outFeatures());
    int width = Math.toIntExact(inFeatures());
    try (Arena arena = Arena.ofShared()) {
      Tensor turned = Tensor.allocate(arena, DType.F32, rows, width);
      pool.run(
          rows,
          r -> {
            float[] row = new float[width];
            long first = (long) r * width;
            x.copyRange(first, row);
            turn(row);
            MemorySegment.copy(row, 0, turned.segment(), JAVA_FLOAT_UNALIGNED, first << 2, width);
          });
      linear.apply(turned, out);
    }
  }

  private void turn(float[] x) {
    for (int half = 1; half < order; half *= 2) {
      for (int base = 0; base < x.length; base += 2 * half) {
        for (int i = base; i < base + half; i++) {
          float a = x[i];
          float b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    for (int i = 0; i < x.length; i++) {
      x[i] *= norm;
    }
  }
}
