package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * A linear layer's weight W [out, in] in one of the canonical forms that every checkpoint format is
 * mapped to and every kernel computes on. {@code y = x·Wᵀ}. Rows are output features n, columns
 * input features k.
 */
public sealed interface QuantizedWeight extends RowTable
    permits DenseWeight, Int8Weight, Int4Weight, Fp8Weight, Fp4Weight {

  /**
   * I32 [k]: the input that stored column j is multiplied with, a permutation of 0…k-1; null: j.
   */
  default @Nullable Tensor permutation() {
    return null;
  }

  /**
   * Writes row {@code row} as F32: {@code (q - z)·s + o}, product and sum rounded once each.
   *
   * @param out at least {@link #columns} long
   */
  @Override
  void dequantizeRow(long row, float[] out);
}
