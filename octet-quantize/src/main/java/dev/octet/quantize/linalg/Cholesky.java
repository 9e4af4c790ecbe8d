package dev.octet.quantize.linalg;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.kernels.Kernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.stream.IntStream;

/**
 * The upper triangular U with {@code Uᵀ·U = H⁻¹}, which GPTQ walks along, of a symmetric positive
 * definite H.
 *
 * <p>With J reversing the order of rows, let {@code J·H·J = L·Lᵀ}. Then {@code U = J·L⁻¹·J} is
 * upper triangular and {@code Uᵀ·U = J·L⁻ᵀ·L⁻¹·J = H⁻¹}: one factorization and one triangular
 * inverse instead of factoring, inverting and factoring again. Diagonal blocks are computed in
 * double precision, everything else by F32 products of the kernels.
 */
public final class Cholesky {
  private static final int BLOCK = 128;

  private final Kernels kernels;
  private final int n;
  private final Tensor l;
  private final double[][] diagonalInverses;

  private Cholesky(Kernels kernels, Tensor reversed) {
    this.kernels = kernels;
    this.n = Math.toIntExact(reversed.dim(0));
    this.l = reversed;
    this.diagonalInverses = new double[(n + BLOCK - 1) / BLOCK][];
  }

  /** That H is not positive definite, as far as F32 can tell. */
  public static final class NotPositiveDefinite extends RuntimeException {
    private static final long serialVersionUID = 1;

    NotPositiveDefinite(int pivot) {
      super("pivot " + pivot + " is not positive");
    }
  }

  /**
   * @param h F32 [n, n], symmetric; not changed
   * @return U, F32 [n, n], zeros below the diagonal
   * @throws NotPositiveDefinite if H is not
   */
  public static Tensor upperOfInverse(Kernels kernels, Tensor h, Arena arena) {
    try (Arena scratch = Arena.ofShared()) {
      Cholesky work = new Cholesky(kernels, reversed(h, scratch));
      work.factor();
      return reversed(work.inverse(scratch), arena);
    }
  }

  /** {@code J·a·J}: rows and columns in the opposite order. */
  private static Tensor reversed(Tensor a, Arena arena) {
    int n = Math.toIntExact(a.dim(0));
    Tensor out = Tensor.allocate(arena, DType.F32, n, n);
    float[] row = new float[n];
    for (int r = 0; r < n; r++) {
      Products.read(a, r, 0, row, n);
      for (int i = 0, j = n - 1; i < j; i++, j--) {
        float t = row[i];
        row[i] = row[j];
        row[j] = t;
      }
      Products.write(out, n - 1 - r, 0, row, n);
    }
    return out;
  }

  private void factor() {
    for (int from = 0; from < n; from += BLOCK) {
      int to = Math.min(n, from + BLOCK);
      double[] inverse = factorDiagonal(from, to);
      diagonalInverses[from / BLOCK] = inverse;
      if (to < n) {
        try (Arena arena = Arena.ofShared()) {
          Tensor panel = panel(from, to, inverse, arena);
          updateTrailing(to, panel);
        }
      }
    }
  }

  /** Factors a diagonal block in place; returns the inverse of its factor, row by row. */
  private double[] factorDiagonal(int from, int to) {
    int m = to - from;
    double[] a = new double[m * m];
    for (int r = 0; r < m; r++) {
      for (int c = 0; c <= r; c++) {
        a[r * m + c] = l.segment().getAtIndex(JAVA_FLOAT, (long) (from + r) * n + from + c);
      }
    }
    for (int c = 0; c < m; c++) {
      double pivot = a[c * m + c];
      for (int k = 0; k < c; k++) {
        pivot -= a[c * m + k] * a[c * m + k];
      }
      if (!(pivot > 0) || Double.isInfinite(pivot)) {
        throw new NotPositiveDefinite(n - 1 - (from + c));
      }
      double root = Math.sqrt(pivot);
      a[c * m + c] = root;
      for (int r = c + 1; r < m; r++) {
        double sum = a[r * m + c];
        for (int k = 0; k < c; k++) {
          sum -= a[r * m + k] * a[c * m + k];
        }
        a[r * m + c] = sum / root;
      }
    }
    for (int r = 0; r < m; r++) {
      for (int c = 0; c <= r; c++) {
        l.segment().setAtIndex(JAVA_FLOAT, (long) (from + r) * n + from + c, (float) a[r * m + c]);
      }
    }
    return lowerInverse(a, m);
  }

  private static double[] lowerInverse(double[] a, int m) {
    double[] out = new double[m * m];
    for (int c = 0; c < m; c++) {
      out[c * m + c] = 1 / a[c * m + c];
      for (int r = c + 1; r < m; r++) {
        double sum = 0;
        for (int k = c; k < r; k++) {
          sum -= a[r * m + k] * out[k * m + c];
        }
        out[r * m + c] = sum / a[r * m + r];
      }
    }
    return out;
  }

  /** The rows below a diagonal block times the block's inverse transposed, in place. */
  private Tensor panel(int from, int to, double[] inverse, Arena arena) {
    int m = to - from;
    Tensor below = Tensor.allocate(arena, DType.F32, n - to, m);
    float[] row = new float[m];
    for (int r = to; r < n; r++) {
      Products.read(l, r, from, row, m);
      Products.write(below, r - to, 0, row, m);
    }
    Tensor panel = Products.timesTransposed(kernels, below, floats(inverse, m, arena), arena);
    for (int r = to; r < n; r++) {
      Products.read(panel, r - to, 0, row, m);
      Products.write(l, r, from, row, m);
    }
    return panel;
  }

  private static Tensor floats(double[] values, int m, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, m, m);
    for (int i = 0; i < values.length; i++) {
      out.setFloat(i, (float) values[i]);
    }
    return out;
  }

  /** Subtracts {@code panel·panelᵀ} from what lies right of and below {@code from}, in bands. */
  private void updateTrailing(int from, Tensor panel) {
    int band = 8 * BLOCK;
    for (int column = from; column < n; column += band) {
      int end = Math.min(n, column + band);
      try (Arena arena = Arena.ofShared()) {
        Tensor product =
            Products.timesTransposed(
                kernels,
                panel.rowRange(column - from, n - from),
                panel.rowRange(column - from, end - from),
                arena);
        subtract(column, product);
      }
    }
  }

  private void subtract(int from, Tensor product) {
    int width = Math.toIntExact(product.columns());
    IntStream.range(0, Math.toIntExact(product.rows()))
        .parallel()
        .forEach(
            r -> {
              float[] old = new float[width];
              float[] less = new float[width];
              Products.read(l, from + r, from, old, width);
              Products.read(product, r, 0, less, width);
              for (int c = 0; c < width; c++) {
                old[c] -= less[c];
              }
              Products.write(l, from + r, from, old, width);
            });
  }

  /**
   * {@code L⁻¹}, a band of rows at a time: with M the inverse so far and D a diagonal block's own,
   * the band left of D is {@code −D·(L·M)}. M is kept transposed, as the products want it.
   */
  private Tensor inverse(Arena arena) {
    Tensor transposed = Tensor.allocate(arena, DType.F32, n, n);
    for (int from = 0; from < n; from += BLOCK) {
      int m = Math.min(n, from + BLOCK) - from;
      try (Arena scratch = Arena.ofShared()) {
        Tensor own = floats(diagonalInverses[from / BLOCK], m, scratch);
        if (from > 0) {
          Tensor left = leftOf(from, m, own, transposed, scratch);
          storeTransposed(left, from, 0, -1, transposed);
        }
        storeTransposed(own, from, from, 1, transposed);
      }
    }
    return Products.transposed(transposed, 0, 0, n, n, arena);
  }

  private Tensor leftOf(int from, int m, Tensor own, Tensor transposed, Arena scratch) {
    Tensor rows = Tensor.allocate(scratch, DType.F32, m, from);
    Tensor known = Tensor.allocate(scratch, DType.F32, from, from);
    float[] line = new float[from];
    for (int r = 0; r < m; r++) {
      Products.read(l, from + r, 0, line, from);
      Products.write(rows, r, 0, line, from);
    }
    for (int r = 0; r < from; r++) {
      Products.read(transposed, r, 0, line, from);
      Products.write(known, r, 0, line, from);
    }
    Tensor product = Products.timesTransposed(kernels, rows, known, scratch);
    Tensor turned = Products.transposed(product, 0, 0, m, from, scratch);
    return Products.timesTransposed(kernels, own, turned, scratch);
  }

  /** Writes {@code sign·block} so that its element (r, c) becomes (column + c, row + r). */
  private void storeTransposed(Tensor block, int row, int column, float sign, Tensor target) {
    int rows = Math.toIntExact(block.dim(0));
    int columns = Math.toIntExact(block.dim(1));
    float[] line = new float[rows];
    Tensor turned;
    try (Arena arena = Arena.ofShared()) {
      turned = Products.transposed(block, 0, 0, rows, columns, arena);
      for (int c = 0; c < columns; c++) {
        Products.read(turned, c, 0, line, rows);
        for (int r = 0; r < rows; r++) {
          line[r] *= sign;
        }
        Products.write(target, column + c, row, line, rows);
      }
    }
  }
}
