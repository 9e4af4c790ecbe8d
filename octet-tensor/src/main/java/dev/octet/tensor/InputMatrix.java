package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * A matrix [k, k] that a layer's input x is multiplied with while the model runs, {@code x·M}: too
 * large to be stored, made of small ones.
 */
public sealed interface InputMatrix {

  /**
   * Sylvester's Hadamard matrix over the root of its order, for every stretch of that many channels
   * (QuaRot's online rotation, arXiv 2404.00456, section 4).
   *
   * @param order a power of two
   */
  record Hadamard(int order) implements InputMatrix {
    public Hadamard {
      if (order < 1 || Integer.bitCount(order) != 1) {
        throw new IllegalArgumentException("a Hadamard matrix of order " + order);
      }
    }
  }

  /**
   * The Kronecker product {@code left ⊗ right}: a row of x as a matrix X [l, r], row by row,
   * becomes {@code leftᵀ·X·right} (FlatQuant, arXiv 2410.09426, section 3.1; a rotation of heads is
   * one whose right side is the identity).
   *
   * @param left F32 [l, l]; null: the identity of the order that is left
   * @param right F32 [r, r]; null: the same
   */
  record Kronecker(@Nullable Tensor left, @Nullable Tensor right) implements InputMatrix {
    public Kronecker {
      if (left == null && right == null) {
        throw new IllegalArgumentException("a Kronecker product of nothing");
      }
      requireSquare("left", left);
      requireSquare("right", right);
    }

    private static void requireSquare(String side, @Nullable Tensor matrix) {
      if (matrix != null
          && (matrix.dtype() != DType.F32
              || matrix.rank() != 2
              || matrix.dim(0) != matrix.dim(1)
              || matrix.dim(0) < 1
              || !matrix.isContiguous())) {
        throw new IllegalArgumentException(
            "the %s side of a Kronecker product must be F32 and square, not %s"
                .formatted(side, matrix));
      }
    }

    /** l for an input of so many channels. */
    public int leftOrder(long columns) {
      long order = left != null ? left.dim(0) : right == null ? 1 : columns / right.dim(0);
      return Math.toIntExact(order);
    }

    /** r for an input of so many channels. */
    public int rightOrder(long columns) {
      return Math.toIntExact(columns / leftOrder(columns));
    }
  }

  /**
   * Checks that inputs of so many channels can be multiplied.
   *
   * @throws IllegalArgumentException if they cannot
   */
  default void requireColumns(long columns) {
    switch (this) {
      case Hadamard(int order) -> {
        if (columns % order != 0) {
          throw new IllegalArgumentException(
              "Hadamard matrices of order %d do not divide %d input features"
                  .formatted(order, columns));
        }
      }
      case Kronecker k -> {
        long sides =
            Math.multiplyExact(
                k.left == null ? 1 : k.left.dim(0), k.right == null ? 1 : k.right.dim(0));
        boolean both = k.left != null && k.right != null;
        if (both ? sides != columns : columns % sides != 0) {
          throw new IllegalArgumentException(
              "matrices of order %s and %s make no Kronecker product of order %d"
                  .formatted(order(k.left), order(k.right), columns));
        }
      }
    }
  }

  private static String order(@Nullable Tensor side) {
    return side == null ? "any" : String.valueOf(side.dim(0));
  }

  /**
   * Makes a row of W the row of {@code W·Mᵀ}, which does to x what W does to {@code x·M}. Summed in
   * double.
   */
  default void fold(float[] row) {
    switch (this) {
      case Hadamard(int order) -> InputMatrices.hadamard(row, order);
      case Kronecker k -> InputMatrices.kronecker(row, k);
    }
  }

  /** Whether both are the same, value by value. */
  default boolean sameAs(InputMatrix other) {
    return switch (this) {
      case Hadamard h -> h.equals(other);
      case Kronecker k ->
          other instanceof Kronecker o
              && InputMatrices.same(k.left, o.left)
              && InputMatrices.same(k.right, o.right);
    };
  }

  /** Bytes in memory. */
  default long byteSize() {
    return switch (this) {
      case Hadamard _ -> 0;
      case Kronecker k ->
          (k.left == null ? 0 : k.left.byteSize()) + (k.right == null ? 0 : k.right.byteSize());
    };
  }

  /** Short name for tables: {@code H64}, {@code 64⊗128}, {@code 32⊗I}. */
  default String label() {
    return switch (this) {
      case Hadamard(int order) -> "H" + order;
      case Kronecker k ->
          (k.left == null ? "I" : k.left.dim(0)) + "⊗" + (k.right == null ? "I" : k.right.dim(0));
    };
  }
}
