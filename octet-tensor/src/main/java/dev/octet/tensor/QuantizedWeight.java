package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * A linear layer's weight W [out, in] in one of the canonical forms that every checkpoint format is
 * mapped to and every kernel computes on. {@code y = x·Wᵀ}.
 */
public sealed interface QuantizedWeight
    permits DenseWeight, Int8Weight, Int4Weight, Fp8Weight, Fp4Weight {

  /** Output features n. */
  long rows();

  /** Input features k. */
  long columns();

  /** Bytes in memory, scales included. */
  long byteSize();

  /** Short name for tables, for instance {@code int4 g128 asym}. */
  String label();

  /**
   * I32 [k]: the input that stored column j is multiplied with, a permutation of 0…k-1; null: j.
   */
  default @Nullable Tensor permutation() {
    return null;
  }

  /**
   * Writes row {@code row} as F32: the mathematical product {@code (q - z)·s} rounded once.
   *
   * @param out at least {@link #columns} long
   */
  void dequantizeRow(long row, float[] out);
}
