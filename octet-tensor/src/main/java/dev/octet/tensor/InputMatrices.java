package dev.octet.tensor;

import dev.octet.tensor.InputMatrix.Kronecker;
import org.jspecify.annotations.Nullable;

/** What {@link InputMatrix} does with the entries of its matrices. */
final class InputMatrices {
  private InputMatrices() {}

  /** Sylvester's matrix is symmetric: folding is the fast transform itself. */
  static void hadamard(float[] row, int order) {
    double[] x = new double[order];
    double norm = 1 / Math.sqrt(order);
    for (int from = 0; from < row.length; from += order) {
      for (int i = 0; i < order; i++) {
        x[i] = row[from + i];
      }
      for (int half = 1; half < order; half *= 2) {
        for (int base = 0; base < order; base += 2 * half) {
          for (int i = base; i < base + half; i++) {
            double a = x[i];
            double b = x[i + half];
            x[i] = a + b;
            x[i + half] = a - b;
          }
        }
      }
      for (int i = 0; i < order; i++) {
        row[from + i] = (float) (x[i] * norm);
      }
    }
  }

  /** {@code left·W·rightᵀ} of a row as a matrix W [l, r]. */
  static void kronecker(float[] row, Kronecker k) {
    int l = k.leftOrder(row.length);
    int r = k.rightOrder(row.length);
    double[] turned = new double[row.length];
    for (int i = 0; i < l; i++) {
      for (int j = 0; j < r; j++) {
        turned[i * r + j] = k.right() == null ? row[i * r + j] : dot(k.right(), j, row, i * r);
      }
    }
    for (int i = 0; i < l; i++) {
      for (int j = 0; j < r; j++) {
        double sum = k.left() == null ? turned[i * r + j] : 0;
        for (int m = 0; k.left() != null && m < l; m++) {
          sum += (double) k.left().getFloat((long) i * l + m) * turned[m * r + j];
        }
        row[i * r + j] = (float) sum;
      }
    }
  }

  private static double dot(Tensor matrix, int row, float[] x, int from) {
    int n = Math.toIntExact(matrix.dim(0));
    double sum = 0;
    for (int m = 0; m < n; m++) {
      sum += (double) matrix.getFloat((long) row * n + m) * x[from + m];
    }
    return sum;
  }

  static boolean same(@Nullable Tensor a, @Nullable Tensor b) {
    if (a == null || b == null) {
      return a == b;
    }
    return a.hasShape(b.shape()) && a.segment().mismatch(b.segment()) < 0;
  }
}
