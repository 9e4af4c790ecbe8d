package dev.octet.tensor;

/**
 * Four-bit floats E2M1, two a byte: {@code W = decode(q)·s·global}. NVFP4 has groups of 16 with
 * E4M3 scales under one F32 scale for all, MXFP4 groups of 32 with powers of two.
 *
 * <p>Scales stay in their own type, so that a weight takes 4.5 or 4.25 bits.
 *
 * @param packed U8 [n, ⌈k/2⌉], contiguous; the low nibble holds the even column
 * @param columns k
 * @param scales F8_E4M3, F8_E8M0 or F32 [n, ⌈k/group⌉], contiguous; finite, none negative
 * @param group columns that share a scale
 * @param global scale of all, finite and positive; a double, because formats store it or its
 *     reciprocal as F32
 */
public record Fp4Weight(Tensor packed, long columns, Tensor scales, int group, double global)
    implements QuantizedWeight {
  public Fp4Weight {
    if (packed.dtype() != DType.U8 || packed.rank() != 2 || !packed.isContiguous()) {
      throw new IllegalArgumentException("packed must be a contiguous U8 matrix, not " + packed);
    }
    if (packed.dim(1) != ScaleGrid.blocks(columns, 2)) {
      throw new IllegalArgumentException(packed + " cannot hold " + columns + " columns");
    }
    boolean known =
        scales.dtype() == DType.F8_E4M3
            || scales.dtype() == DType.F8_E8M0
            || scales.dtype() == DType.F32;
    if (!known
        || !scales.isContiguous()
        || group < 1
        || !scales.hasShape(packed.dim(0), ScaleGrid.blocks(columns, group))) {
      throw new IllegalArgumentException(
          "scales %s do not fit [%d, %d] in groups of %d"
              .formatted(scales, packed.dim(0), columns, group));
    }
    requireScales(scales);
    if (!(global > 0) || global == Double.POSITIVE_INFINITY) {
      throw new IllegalArgumentException("global scale " + global + " must be finite and positive");
    }
  }

  /** A group of zeros has scale 0 in NVFP4. */
  private static void requireScales(Tensor scales) {
    for (long i = 0; i < scales.size(); i++) {
      float s = scales.getFloat(i);
      if (!(s >= 0) || s == Float.POSITIVE_INFINITY) {
        throw new IllegalArgumentException(
            "scale %d is %s; it must be finite and not negative".formatted(i, s));
      }
    }
  }

  @Override
  public long rows() {
    return packed.dim(0);
  }

  @Override
  public long byteSize() {
    return packed.byteSize() + scales.byteSize() + Float.BYTES;
  }

  @Override
  public String label() {
    String name =
        switch (scales.dtype()) {
          case F8_E4M3 -> "nvfp4";
          case F8_E8M0 -> "mxfp4";
          default -> "fp4";
        };
    return name + " g" + group;
  }

  /** The four bits of element (row, column). */
  public int code(long row, long column) {
    long pair = packed.getLong(row * packed.dim(1) + (column >>> 1));
    return (int) (pair >>> 4 * (column & 1) & 0xF);
  }

  /** Scale of element (row, column), the global one included, rounded to F32. */
  public float scale(long row, long column) {
    return (float) (scales.getFloat(row * scales.dim(1) + column / group) * global);
  }

  @Override
  public void dequantizeRow(long row, float[] out) {
    for (int j = 0; j < columns; j++) {
      double scale = scales.getFloat(row * scales.dim(1) + j / group) * global;
      out[j] = (float) (Codecs.e2m1ToFloat(code(row, j)) * scale);
    }
  }
}
