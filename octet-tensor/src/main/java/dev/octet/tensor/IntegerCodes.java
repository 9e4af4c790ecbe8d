package dev.octet.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Gathers the codes, scales and zero points of an integer weight row by row, for quantizers that
 * choose them themselves. Rows may be put from several threads.
 */
public final class IntegerCodes {
  private final QuantScheme scheme;
  private final int columns;
  private final int block;
  private final Tensor codes;
  private final Tensor scales;
  private final @Nullable Tensor zeros;

  /**
   * @param scheme INT8 or INT4, per channel or group; the last group may be short
   * @param arena owns the result; from several threads, a shared or automatic one
   * @throws IllegalArgumentException for another type or granularity
   */
  public IntegerCodes(QuantScheme scheme, long rows, int columns, Arena arena) {
    boolean integer = scheme.type() == WeightType.INT8 || scheme.type() == WeightType.INT4;
    boolean byRow =
        scheme.granularity() == ScaleGranularity.CHANNEL
            || scheme.granularity() == ScaleGranularity.GROUP;
    if (!integer || !byRow) {
      throw new IllegalArgumentException(
          scheme + ": only INT8 and INT4 per channel or group are chosen row by row");
    }
    this.scheme = scheme;
    this.columns = columns;
    this.block = scheme.granularity() == ScaleGranularity.GROUP ? scheme.group() : columns;
    this.codes =
        scheme.type() == WeightType.INT8
            ? Tensor.allocate(arena, DType.I8, rows, columns)
            : Tensor.allocate(arena, DType.U8, rows, Nibbles.bytes(columns));
    this.scales = Tensor.allocate(arena, DType.F32, rows, groups());
    this.zeros = scheme.symmetric() ? null : Tensor.allocate(arena, DType.I16, rows, groups());
  }

  /** Columns that share a scale. */
  public int block() {
    return block;
  }

  /** Scales of a row. */
  public int groups() {
    return (int) ScaleGrid.blocks(columns, block);
  }

  /**
   * Stores a row.
   *
   * @param rowCodes k signed codes
   * @param rowScales one a group
   * @param rowZeros one a group; not read in a symmetric scheme
   */
  public void put(long row, byte[] rowCodes, float[] rowScales, short[] rowZeros) {
    byte[] stored = rowCodes;
    if (scheme.type() == WeightType.INT4) {
      stored = new byte[Nibbles.bytes(columns)];
      Nibbles.pack(rowCodes, columns, stored);
    }
    MemorySegment.copy(stored, 0, codes.segment(), JAVA_BYTE, row * stored.length, stored.length);
    RoundToNearest.storeFloats(rowScales, scales, row);
    if (zeros != null) {
      int n = groups();
      MemorySegment.copy(rowZeros, 0, zeros.segment(), JAVA_SHORT, row * n << 1, n);
    }
  }

  /**
   * The weight of all rows put.
   *
   * @param permutation the input that stored column j belongs to; null: j
   */
  public QuantizedWeight weight(@Nullable Tensor permutation) {
    ScaleGrid grid =
        new ScaleGrid(
            scheme.granularity(),
            1,
            scheme.granularity() == ScaleGranularity.GROUP ? block : columns,
            scales,
            zeros);
    if (scheme.type() == WeightType.INT4) {
      return new Int4Weight(codes, columns, grid, permutation);
    }
    return new Int8Weight(codes, grid, permutation);
  }
}
