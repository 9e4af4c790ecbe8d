package dev.octet.tensor;

/**
 * An unquantized weight.
 *
 * @param values [n, k] in F32, F16 or BF16
 */
public record DenseWeight(Tensor values) implements QuantizedWeight {
  public DenseWeight {
    if (values.rank() != 2 || !values.dtype().isWideFloat() || values.dtype() == DType.F64) {
      throw new IllegalArgumentException("a dense weight is a F32, F16 or BF16 matrix: " + values);
    }
  }

  @Override
  public long rows() {
    return values.dim(0);
  }

  @Override
  public long columns() {
    return values.dim(1);
  }

  @Override
  public long byteSize() {
    return values.byteSize();
  }

  @Override
  public String label() {
    return values.dtype().label();
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    values.copyRange(row * columns(), out, Math.toIntExact(columns()));
  }
}
