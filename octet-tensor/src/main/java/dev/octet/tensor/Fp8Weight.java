package dev.octet.tensor;

/**
 * Eight-bit floats: {@code W = decode(q)·s}.
 *
 * @param codes F8_E4M3 or F8_E5M2 [n, k], contiguous
 * @param grid scales per tensor, channel or block; never with zero points
 */
public record Fp8Weight(Tensor codes, ScaleGrid grid) implements QuantizedWeight {
  public Fp8Weight {
    boolean fp8 = codes.dtype() == DType.F8_E4M3 || codes.dtype() == DType.F8_E5M2;
    if (!fp8 || codes.rank() != 2 || !codes.isContiguous() || !grid.symmetric()) {
      throw new IllegalArgumentException("codes must be a contiguous FP8 matrix, not " + codes);
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
    return codes.dtype().label() + " " + Labels.of(grid);
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    int k = Math.toIntExact(columns());
    codes.copyRange(row * k, out, k);
    grid.applyToRow(row, out, k);
  }
}
