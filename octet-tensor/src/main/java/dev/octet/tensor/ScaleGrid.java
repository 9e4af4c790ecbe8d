package dev.octet.tensor;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The scales (and zero points, and offsets) of a matrix [n, k], one for every block of {@code
 * rowBlock × columnBlock} elements; blocks at the edges may be short: {@code W = (q - z)·s + o}.
 * Every granularity is a case of it:
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
 * @param scales F32, finite, and of the sign that {@code sign} allows
 * @param zeroPoints I16 of the shape of {@code scales}, or [1, 1]: one for all; in the signed code
 *     space; null: all zero
 * @param sign which scales are sound
 * @param offsets F32 of the shape of {@code scales}, finite; null: all zero
 */
public record ScaleGrid(
    ScaleGranularity granularity,
    long rowBlock,
    long columnBlock,
    Tensor scales,
    @Nullable Tensor zeroPoints,
    ScaleSign sign,
    @Nullable Tensor offsets) {

  /** Positive scales without offsets. */
  public ScaleGrid(
      ScaleGranularity granularity,
      long rowBlock,
      long columnBlock,
      Tensor scales,
      @Nullable Tensor zeroPoints) {
    this(granularity, rowBlock, columnBlock, scales, zeroPoints, ScaleSign.POSITIVE, null);
  }

  public ScaleGrid {
    if (rowBlock < 1 || columnBlock < 1) {
      throw new IllegalArgumentException("blocks of " + rowBlock + "x" + columnBlock);
    }
    if (scales.dtype() != DType.F32 || scales.rank() != 2 || !scales.isContiguous()) {
      throw new IllegalArgumentException("scales must be a contiguous F32 matrix, not " + scales);
    }
    requireSound("scale", scales, sign);
    if (zeroPoints != null
        && (zeroPoints.dtype() != DType.I16
            || !zeroPoints.isContiguous()
            || !(zeroPoints.hasShape(scales.shape()) || zeroPoints.hasShape(1, 1)))) {
      throw new IllegalArgumentException("zero points " + zeroPoints + " for scales " + scales);
    }
    if (offsets != null) {
      if (offsets.dtype() != DType.F32
          || !offsets.isContiguous()
          || !offsets.hasShape(scales.shape())) {
        throw new IllegalArgumentException("offsets " + offsets + " for scales " + scales);
      }
      requireSound("offset", offsets, ScaleSign.ANY);
    }
  }

  private static void requireSound(String what, Tensor values, ScaleSign sign) {
    for (long i = 0; i < values.size(); i++) {
      float value = values.getFloat(i);
      if (!sign.allows(value)) {
        throw new IllegalArgumentException(
            "%s %d is %s; it must be finite%s"
                .formatted(what, i, value, sign == ScaleSign.POSITIVE ? " and positive" : ""));
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

  /** Whether code 0 stands for 0 in every block. */
  public boolean symmetric() {
    return zeroPoints == null && offsets == null;
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
    if (zeroPoints == null) {
      return 0;
    }
    return (int) zeroPoints.getLong(sharesZeroPoint() ? 0 : index(row, column));
  }

  /** Whether scales are all positive and nothing is offset, as formats other than GGUF have it. */
  public boolean plain() {
    return sign == ScaleSign.POSITIVE && offsets == null;
  }

  /** Whether all blocks have one zero point: there is none, or one for all. */
  public boolean sharesZeroPoint() {
    return zeroPoints == null || zeroPoints.size() == 1;
  }

  /** Offset of element (row, column). */
  public float offset(long row, long column) {
    return offsets == null ? 0 : offsets.getFloat(index(row, column));
  }

  /** Index of the scale of element (row, column) in {@link #scales}. */
  public long index(long row, long column) {
    return row / rowBlock * scales.dim(1) + column / columnBlock;
  }

  /**
   * Turns the codes of a row, given as floats, into weights: {@code (q - z)·s + o}, product and sum
   * rounded once each.
   */
  void applyToRow(long row, float[] codes, int columns) {
    int from = 0;
    while (from < columns) {
      int to = from + (int) Math.min(columnBlock, columns - from);
      float scale = scale(row, from);
      float zero = zeroPoint(row, from);
      float offset = offset(row, from);
      for (int j = from; j < to; j++) {
        float product = (codes[j] - zero) * scale;
        codes[j] = offsets == null ? product : product + offset;
      }
      from = to;
    }
  }

  /** Bytes of scales, zero points and offsets. */
  public long byteSize() {
    return scales.byteSize()
        + (zeroPoints == null ? 0 : zeroPoints.byteSize())
        + (offsets == null ? 0 : offsets.byteSize());
  }
}
