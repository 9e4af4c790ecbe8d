package dev.octet.tensor;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Columns stored in another order than that of the inputs, as GPTQ's act-order leaves them. */
final class Permutations {
  private Permutations() {}

  /** Checks that it is I32 [columns] and holds each of 0…columns-1 once; null is the identity. */
  static void require(@Nullable Tensor permutation, long columns) {
    if (permutation == null) {
      return;
    }
    if (permutation.dtype() != DType.I32 || !permutation.hasShape(columns)) {
      throw new IllegalArgumentException("permutation " + permutation + " for k = " + columns);
    }
    boolean[] seen = new boolean[Math.toIntExact(columns)];
    for (int j = 0; j < columns; j++) {
      long p = permutation.getLong(j);
      if (p < 0 || p >= columns || seen[(int) p]) {
        throw new IllegalArgumentException("entry " + j + " = " + p + " makes no permutation");
      }
      seen[(int) p] = true;
    }
  }

  /** Brings a row from the order of storage into that of the inputs. */
  static void restore(@Nullable Tensor permutation, float[] row, int columns) {
    if (permutation == null) {
      return;
    }
    float[] stored = Arrays.copyOf(row, columns);
    for (int j = 0; j < columns; j++) {
      row[(int) permutation.getLong(j)] = stored[j];
    }
  }

  /** Bytes it takes. */
  static long byteSize(@Nullable Tensor permutation) {
    return permutation == null ? 0 : permutation.byteSize();
  }

  /** What labels say of it. */
  static String label(@Nullable Tensor permutation) {
    return permutation == null ? "" : " act-order";
  }
}
