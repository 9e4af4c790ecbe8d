package dev.octet.quantize.linalg;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.kernels.Kernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/**
 * {@code H = Σ xᵀx} over the rows x that a linear layer is given: how much the inputs vary
 * together. The squared error that a change D of the layer's weight makes is {@code tr(D·H·Dᵀ)}.
 *
 * <p>Only the lower triangle is computed, in bands; {@link #complete} mirrors it.
 */
public final class Gram {
  /** Columns computed together: a band's operand stays in the second-level cache. */
  private static final int BAND = 512;

  private final Kernels kernels;
  private final Tensor sum;
  private final int n;

  /**
   * @param n input features
   * @param arena owns the matrix; a shared or automatic one
   */
  public Gram(Kernels kernels, int n, Arena arena) {
    this.kernels = kernels;
    this.n = n;
    this.sum = Tensor.allocate(arena, DType.F32, n, n);
  }

  /**
   * Adds rows.
   *
   * @param x F32 [rows, n]; some thousand rows at a time are fastest
   */
  public void add(Tensor x) {
    try (Arena arena = Arena.ofShared()) {
      int rows = Math.toIntExact(x.rows());
      Tensor columns = Products.transposed(x, 0, 0, rows, n, arena);
      for (int from = 0; from < n; from += BAND) {
        int to = Math.min(n, from + BAND);
        try (Arena band = Arena.ofShared()) {
          addBand(
              from,
              Products.timesTransposed(
                  kernels, columns.rowRange(from, n), columns.rowRange(from, to), band));
        }
      }
    }
  }

  private void addBand(int from, Tensor product) {
    int width = Math.toIntExact(product.columns());
    IntStream.range(0, Math.toIntExact(product.rows()))
        .parallel()
        .forEach(
            r -> {
              float[] old = new float[width];
              float[] more = new float[width];
              Products.read(sum, from + r, from, old, width);
              Products.read(product, r, 0, more, width);
              for (int c = 0; c < width; c++) {
                old[c] += more[c];
              }
              Products.write(sum, from + r, from, old, width);
            });
  }

  /** The whole matrix, F32 [n, n]; adding more afterwards is not possible. */
  public Tensor complete() {
    MemorySegment s = sum.segment();
    for (long r = 0; r < n; r++) {
      for (long c = r + 1; c < n; c++) {
        s.setAtIndex(JAVA_FLOAT, r * n + c, s.getAtIndex(JAVA_FLOAT, c * n + r));
      }
    }
    return sum;
  }
}
