package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * Eight-bit integers: {@code W = (q - z)·s + o}.
 *
 * @param codes I8 [n, k], contiguous
 * @param grid scales per tensor, channel or group of <em>stored</em> columns, with zero points if
 *     asymmetric
 * @param permutation I32 [k], as in {@link Int4Weight}; null: identity
 */
public record Int8Weight(Tensor codes, ScaleGrid grid, @Nullable Tensor permutation)
    implements QuantizedWeight {
  public Int8Weight {
    if (codes.dtype() != DType.I8 || codes.rank() != 2 || !codes.isContiguous()) {
      throw new IllegalArgumentException("codes must be a contiguous I8 matrix, not " + codes);
    }
    grid.requireCovers(codes.dim(0), codes.dim(1));
    Permutations.require(permutation, codes.dim(1));
  }

  /** With columns in the order of the inputs. */
  public Int8Weight(Tensor codes, ScaleGrid grid) {
    this(codes, grid, null);
  }

  @Override
  public long rows() {
    return codes.dim(0);
  }

  @Override
  public long columns() {
    return codes.dim(1);
  }

  @Override
  public long byteSize() {
    return codes.byteSize() + grid.byteSize() + Permutations.byteSize(permutation);
  }

  @Override
  public String label() {
    return "int8 " + Labels.of(grid) + Permutations.label(permutation);
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    int k = Math.toIntExact(columns());
    codes.copyRange(row * k, out, k);
    grid.applyToRow(row, out, k);
    Permutations.restore(permutation, out, k);
  }
}
