package dev.octet.bench.peer;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;

/**
 * {@code out = x·weightᵀ}.
 *
 * @param x F32 [m, k], contiguous
 * @param weight BF16 [n, k], contiguous
 */
public record LinearTask(Tensor x, Tensor weight) {
  /** Weights of one program take at least this much when M is small. */
  private static final long BEYOND_CACHES = 128L << 20;

  private static final long MOST_COPIES = 16;
  private static final int FEW_ROWS = 16;

  public LinearTask {
    if (x.dtype() != DType.F32 || weight.dtype() != DType.BF16) {
      throw new IllegalArgumentException("x " + x + ", weight " + weight);
    }
    if (x.rank() != 2 || weight.rank() != 2 || x.dim(1) != weight.dim(1)) {
      throw new IllegalArgumentException("x " + x + " does not fit weight " + weight);
    }
  }

  /** Rows of x. */
  public int m() {
    return (int) x.dim(0);
  }

  /** Outputs. */
  public int n() {
    return (int) weight.dim(0);
  }

  /** Inputs. */
  public int k() {
    return (int) weight.dim(1);
  }

  /**
   * How many copies of a weight take turns, so that with few rows of x it comes from memory as it
   * does in a model.
   *
   * @param rows rows of x
   * @param bytes what one copy takes
   */
  public static int copies(int rows, long bytes) {
    return rows > FEW_ROWS
        ? 1
        : (int) Math.min(MOST_COPIES, Math.ceilDiv(BEYOND_CACHES, Math.max(1, bytes)));
  }

  /** {@link #copies(int, long)} for this x. */
  public int copies(long bytes) {
    return copies(m(), bytes);
  }
}
