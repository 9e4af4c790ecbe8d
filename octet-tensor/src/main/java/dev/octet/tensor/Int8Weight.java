package dev.octet.tensor;

/**
 * Eight-bit integers: {@code W = (q - z)·s}.
 *
 * @param codes I8 [n, k], contiguous
 * @param grid scales per tensor, channel or group, with zero points if asymmetric
 */
public record Int8Weight(Tensor codes, ScaleGrid grid) implements QuantizedWeight {
  public Int8Weight {
    if (codes.dtype() != DType.I8 || codes.rank() != 2 || !codes.isContiguous()) {
      throw new IllegalArgumentException("codes must be a contiguous I8 matrix, not " + codes);
    }
    grid.requireCovers(codes.dim(0), codes.dim(1));
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
    return codes.byteSize() + grid.byteSize();
  }

  @Override
  public String label() {
    return "int8 " + Labels.of(grid);
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    int k = Math.toIntExact(columns());
    codes.copyRange(row * k, out, k);
    grid.applyToRow(row, out, k);
  }
}
