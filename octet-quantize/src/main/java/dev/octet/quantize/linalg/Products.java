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

/** Products of contiguous F32 matrices, computed as linear layers at the kernels' speed. */
public final class Products {
  private Products() {}

  /**
   * {@code a·bᵀ}.
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
    float[] line = new float[columns];
    MemorySegment to = out.segment();
    for (int r = 0; r < rows; r++) {
      read(a, row + r, column, line, columns);
      for (int c = 0; c < columns; c++) {
        to.setAtIndex(JAVA_FLOAT, (long) c * rows + r, line[c]);
      }
    }
    return out;
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
