package dev.octet.tensor;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The scales (and zero points) of a matrix [n, k], one for every block of {@code rowBlock ×
 * columnBlock} elements; blocks at the edges may be short. Every granularity is a case of it:
 *
 * <table>
 * <caption>Granularities</caption>
 * <tr><th>granularity</th><th>rowBlock</th><th>columnBlock</th><th>scales</th></tr>
 * <tr><td>tensor</td><td>n</td><td>k</td><td>[1, 1]</td></tr>
 * <tr><td>channel</td><td>1</td><td>k</td><td>[n, 1]</td></tr>
 * <tr><td>group g</td><td>1</td><td>g</td><td>[n, ⌈k/g⌉]</td></tr>
 * <tr><td>block h×w</td><td>h</td><td>w</td><td>[⌈n/h⌉, ⌈k/w⌉]</td></tr>
 * </table>
 *
 * @param granularity which of the four it is
 * @param rowBlock rows that share a scale, at least 1
 * @param columnBlock columns that share a scale, at least 1
 * @param scales F32, finite and positive
 * @param zeroPoints I16 of the shape of {@code scales}, in the signed code space; null: all zero
 */
public record ScaleGrid(
    ScaleGranularity granularity,
    long rowBlock,
    long columnBlock,
    Tensor scales,
    @Nullable Tensor zeroPoints) {

  public ScaleGrid {
    if (rowBlock < 1 || columnBlock < 1) {
      throw new IllegalArgumentException("blocks of " + rowBlock + "x" + columnBlock);
    }
    if (scales.dtype() != DType.F32 || scales.rank() != 2 || !scales.isContiguous()) {
      throw new IllegalArgumentException("scales must be a contiguous F32 matrix, not " + scales);
    }
    requirePositive(scales);
    if (zeroPoints != null
        && (zeroPoints.dtype() != DType.I16
            || !zeroPoints.isContiguous()
            || !zeroPoints.hasShape(scales.shape()))) {
      throw new IllegalArgumentException("zero points " + zeroPoints + " for scales " + scales);
    }
  }

  /** Any other scale silences, inverts or poisons its whole block. */
  private static void requirePositive(Tensor scales) {
    for (long i = 0; i < scales.size(); i++) {
      float s = scales.getFloat(i);
      if (!(s > 0) || s == Float.POSITIVE_INFINITY) {
        throw new IllegalArgumentException(
            "scale %d is %s; it must be finite and positive".formatted(i, s));
      }
    }
  }

  /** The number of blocks that {@code length} elements make. */
  public static long blocks(long length, long block) {
    return length == 0 ? 0 : (length - 1) / block + 1;
  }

  /** Checks that the grid covers a matrix of {@code rows × columns}. */
  void requireCovers(long rows, long columns) {
    if (!scales.hasShape(blocks(rows, rowBlock), blocks(columns, columnBlock))) {
      throw new IllegalArgumentException(
          "scales %s do not fit [%d, %d] in blocks of %dx%d"
              .formatted(scales, rows, columns, rowBlock, columnBlock));
    }
    boolean fits =
        switch (granularity) {
          case TENSOR -> scales.size() <= 1;
          case CHANNEL -> rowBlock == 1 && scales.dim(1) <= 1;
          case GROUP -> rowBlock == 1;
          case BLOCK -> true;
        };
    if (!fits) {
      throw new IllegalArgumentException(
          "scales %s are not per %s".formatted(scales, granularity.label()));
    }
  }

  public boolean symmetric() {
    return zeroPoints == null;
  }

  public Optional<Tensor> zeros() {
    return Optional.ofNullable(zeroPoints);
  }

  /** Scale of element (row, column). */
  public float scale(long row, long column) {
    return scales.getFloat(index(row, column));
  }

  /** Zero point of element (row, column). */
  public int zeroPoint(long row, long column) {
    return zeroPoints == null ? 0 : (int) zeroPoints.getLong(index(row, column));
  }

  /** Index of the scale of element (row, column) in {@link #scales}. */
  public long index(long row, long column) {
    return row / rowBlock * scales.dim(1) + column / columnBlock;
  }

  /** Turns the codes of a row, given as floats, into weights: {@code (q - z)·s} rounded once. */
  void applyToRow(long row, float[] codes, int columns) {
    int from = 0;
    while (from < columns) {
      int to = from + (int) Math.min(columnBlock, columns - from);
      float scale = scale(row, from);
      float zero = zeroPoint(row, from);
      for (int j = from; j < to; j++) {
        codes[j] = (codes[j] - zero) * scale;
      }
      from = to;
    }
  }

  /** Bytes of scales and zero points. */
  public long byteSize() {
    return scales.byteSize() + (zeroPoints == null ? 0 : zeroPoints.byteSize());
  }
}
