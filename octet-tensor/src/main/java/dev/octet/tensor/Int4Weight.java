package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * Four-bit integers, two a byte: {@code W = (q - z)·s + o} with q in −8…7.
 *
 * <p>Codes are two's-complement nibbles, the low nibble holding the even column; an odd last column
 * leaves the high nibble of its byte 0. Every row starts on a byte. With a permutation, stored
 * column j belongs to input {@code permutation[j]}: columns are stored in the order of their groups
 * (GPTQ act-order), so that stored column j always has group {@code j / columnBlock}.
 *
 * @param packed U8 [n, ⌈k/2⌉], contiguous
 * @param columns k
 * @param grid scales per channel or group over <em>stored</em> columns
 * @param permutation I32 [k], a permutation of 0…k-1; null: identity
 */
public record Int4Weight(Tensor packed, long columns, ScaleGrid grid, @Nullable Tensor permutation)
    implements QuantizedWeight {
  public Int4Weight {
    if (packed.dtype() != DType.U8 || packed.rank() != 2 || !packed.isContiguous()) {
      throw new IllegalArgumentException("packed must be a contiguous U8 matrix, not " + packed);
    }
    if (packed.dim(1) != ScaleGrid.blocks(columns, 2)) {
      throw new IllegalArgumentException(packed + " cannot hold " + columns + " columns");
    }
    grid.requireCovers(packed.dim(0), columns);
    Permutations.require(permutation, columns);
  }

  @Override
  public long rows() {
    return packed.dim(0);
  }

  @Override
  public long byteSize() {
    return packed.byteSize() + grid.byteSize() + Permutations.byteSize(permutation);
  }

  @Override
  public String label() {
    return "int4 " + Labels.of(grid) + Permutations.label(permutation);
  }

  /** Signed code of stored column {@code column}. */
  public int code(long row, long column) {
    byte pair = (byte) packed.getLong(row * packed.dim(1) + (column >>> 1));
    return (column & 1) == 0 ? Nibbles.low(pair) : Nibbles.high(pair);
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    int k = Math.toIntExact(columns);
    for (int j = 0; j < k; j++) {
      out[j] = code(row, j);
    }
    grid.applyToRow(row, out, k);
    Permutations.restore(permutation, out, k);
  }
}
