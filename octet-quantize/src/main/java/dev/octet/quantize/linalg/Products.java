package dev.octet.quantize.linalg;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.kernels.Kernels;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/** Products of contiguous F32 matrices, computed as linear layers at the kernels' speed. */
public final class Products {
  private static final int TILE = 64;

  private Products() {}

  /**
   * {@code a·bᵀ}; memory is shared between threads, so the arena must be too.
   *
   * @param a F32 [m, k]
   * @param b F32 [n, k]
   * @return F32 [m, n]
   */
  public static Tensor timesTransposed(Kernels kernels, Tensor a, Tensor b, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, a.dim(0), b.dim(0));
    kernels
        .linear(new LinearWeights(new DenseWeight(b), null, new ActivationQuant.None()), arena)
        .apply(a, out);
    return out;
  }

  /** The block of {@code rows × columns} whose first element is (row, column), transposed. */
  public static Tensor transposed(
      Tensor a, int row, int column, int rows, int columns, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, columns, rows);
    IntStream.range(0, (columns + TILE - 1) / TILE)
        .parallel()
        .forEach(t -> turn(a, row, column, rows, t * TILE, columns, out));
    return out;
  }

  /**
   * Turns {@link #TILE} columns, tile by tile, so that both sides are read and written in lines.
   */
  private static void turn(
      Tensor a, int row, int column, int rows, int first, int columns, Tensor out) {
    int width = Math.min(TILE, columns - first);
    float[] line = new float[width];
    float[] turned = new float[width * TILE];
    for (int r = 0; r < rows; r += TILE) {
      int height = Math.min(TILE, rows - r);
      for (int i = 0; i < height; i++) {
        read(a, row + r + i, column + first, line, width);
        for (int c = 0; c < width; c++) {
          turned[c * TILE + i] = line[c];
        }
      }
      for (int c = 0; c < width; c++) {
        long at = ((long) (first + c) * rows + r) << 2;
        MemorySegment.copy(turned, c * TILE, out.segment(), JAVA_FLOAT, at, height);
      }
    }
  }

  /** Copies {@code count} elements of a row into {@code out}. */
  public static void read(Tensor a, long row, long column, float[] out, int count) {
    long at = row * a.columns() + column << 2;
    MemorySegment.copy(a.segment(), JAVA_FLOAT, at, out, 0, count);
  }

  /** Copies {@code count} elements into a row. */
  public static void write(Tensor a, long row, long column, float[] values, int count) {
    long at = row * a.columns() + column << 2;
    MemorySegment.copy(values, 0, a.segment(), JAVA_FLOAT, at, count);
  }
}
