package dev.octet.tensor;

/**
 * A matrix [rows, columns] that is read row by row, as floats: an embedding, say. Several threads
 * may read at once.
 */
public interface RowTable {
  /** Rows. */
  long rows();

  /** Columns. */
  long columns();

  /** Bytes it takes. */
  long byteSize();

  /** Short name for tables: {@code bf16}, {@code int4 g32} … */
  String label();

  /**
   * Writes row {@code row} into the first {@link #columns} elements of {@code out}, as F32.
   *
   * @throws IndexOutOfBoundsException if there is no such row or {@code out} is too short
   */
  void dequantizeRow(long row, float[] out);
}
