package dev.octet.kernels.linear;

import dev.octet.kernels.Linear;
import dev.octet.tensor.DType;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Objects;

/** Checks that come before any computation. */
public final class Shapes {
  private Shapes() {}

  /** {@code x} must be a contiguous F32 tensor with rows of {@code columns}. */
  public static void requireRows(String what, Tensor x, long columns) {
    if (x.dtype() != DType.F32 || !x.isContiguous() || x.columns() != columns) {
      throw new IllegalArgumentException(
          "%s must be contiguous F32 rows of %d, not %s".formatted(what, columns, x));
    }
  }

  /** Two contiguous F32 tensors of as many elements. */
  public static void requireSame(String what, Tensor x, Tensor y) {
    if (x.dtype() != DType.F32
        || y.dtype() != DType.F32
        || !x.isContiguous()
        || !y.isContiguous()
        || x.size() != y.size()) {
      throw new IllegalArgumentException(
          "%s must be contiguous F32 of one size, not %s and %s".formatted(what, x, y));
    }
  }

  /** F32 [n]. */
  public static void requireVector(String what, Tensor x, long n) {
    if (x.dtype() != DType.F32 || !x.hasShape(n)) {
      throw new IllegalArgumentException("%s must be F32 [%d], not %s".formatted(what, n, x));
    }
  }

  /** Checks the operands of a linear layer and returns the number of rows. */
  public static int requireLinear(Tensor x, Tensor out, long in, long outFeatures) {
    requireRows("x", x, in);
    requireRows("out", out, outFeatures);
    if (x.rows() != out.rows()) {
      throw new IllegalArgumentException(
          "x has %d rows, out has %d".formatted(x.rows(), out.rows()));
    }
    return Math.toIntExact(x.rows());
  }

  /** Layers of a group read the same input. */
  public static void requireGroup(List<Linear> layers) {
    if (layers.isEmpty()) {
      throw new IllegalArgumentException("a group needs at least one layer");
    }
    for (Linear layer : layers) {
      if (layer.inFeatures() != layers.getFirst().inFeatures()) {
        throw new IllegalArgumentException(
            "layers of %d and of %d inputs cannot read the same x"
                .formatted(layers.getFirst().inFeatures(), layer.inFeatures()));
      }
    }
  }

  /** As many outputs as a group has layers. */
  public static void requireOutputs(List<Linear> layers, Tensor[] outs) {
    if (outs.length != layers.size()) {
      throw new IllegalArgumentException(
          outs.length + " outputs for a group of " + layers.size() + " layers");
    }
  }

  /**
   * Checks what is looked up in a table and returns its columns.
   *
   * @throws IndexOutOfBoundsException for a row that the table does not have
   */
  public static int requireLookUp(RowTable table, int[] rows, Tensor out) {
    requireRows("out", out, table.columns());
    if (out.rows() != rows.length) {
      throw new IllegalArgumentException(
          "%d rows are looked up, out has %d".formatted(rows.length, out.rows()));
    }
    for (int row : rows) {
      Objects.checkIndex(row, table.rows());
    }
    return Math.toIntExact(table.columns());
  }

  /** Checks q or k of a rotary embedding: [tokens, heads, headDim]. */
  public static void requireHeads(Tensor x, int tokens, int rotated) {
    if (x.rank() != 3
        || x.dtype() != DType.F32
        || !x.isContiguous()
        || x.dim(0) != tokens
        || x.dim(2) < rotated) {
      throw new IllegalArgumentException(
          "x must be F32 [%d, heads, at least %d], not %s".formatted(tokens, rotated, x));
    }
  }
}
