package dev.octet.kernels.attention;

import static dev.octet.kernels.KvSpec.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.KvType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Writes one token's keys or values of all heads into a block, with the scales it needs. */
final class BlockEncoder {
  private final KvFormat format;
  private final @Nullable Rotation rotation;

  BlockEncoder(KvFormat format) {
    this.format = format;
    this.rotation = format.rotatedKeys() ? Rotation.of(format.keyDim()) : null;
  }

  static float scale(MemorySegment block, long offset, int slot) {
    return block.get(JAVA_FLOAT_UNALIGNED, offset + 4L * slot);
  }

  /**
   * Stores the keys {@code keys[from ..)} of a token, [heads, keyDim], in slot {@code slot}.
   *
   * @param mean k̄ of rotated keys
   * @param scratch room for the row
   */
  void key(
      MemorySegment block,
      int slot,
      float[] keys,
      int from,
      float @Nullable [] mean,
      float[] scratch) {
    int dim = format.keyDim();
    System.arraycopy(keys, from, scratch, 0, format.heads() * dim);
    for (int h = 0; h < format.heads(); h++) {
      if (rotation != null && mean != null) {
        for (int c = h * dim; c < (h + 1) * dim; c++) {
          scratch[c] -= mean[c];
        }
        rotation.apply(scratch, h * dim);
      }
      scale(
          block, format.keyScaleOffset(h), slot, scratch, h, dim, format.keyType(),
          format.keyScales());
      for (int c = 0; c < dim; c++) {
        ElementCodec.write(
            block, format.keyOffset(h), (long) c * BLOCK + slot, format.keyType(),
            scratch[h * dim + c]);
      }
    }
  }

  /** Stores the values of a token, [heads, valueDim], in slot {@code slot}. */
  void value(MemorySegment block, int slot, float[] values, float[] scratch) {
    int dim = format.valueDim();
    System.arraycopy(values, 0, scratch, 0, format.heads() * dim);
    for (int h = 0; h < format.heads(); h++) {
      scale(
          block, format.valueScaleOffset(h), slot, scratch, h, dim, format.valueType(),
          format.valueScales());
      for (int c = 0; c < dim; c++) {
        ElementCodec.write(
            block, format.valueOffset(h), (long) slot * dim + c, format.valueType(),
            scratch[h * dim + c]);
      }
    }
  }

  /** Divides a head's row by its scale; stores the scale in the block if it is the token's own. */
  private static void scale(
      MemorySegment block,
      long scaleOffset,
      int slot,
      float[] row,
      int head,
      int dim,
      KvType type,
      float @Nullable [] fixed) {
    if (KvFormat.isWide(type)) {
      return;
    }
    int from = head * dim;
    float own = fixed != null ? 0 : RowQuant.absMax(row, from, dim) / ElementCodec.maxCode(type);
    for (int c = from; c < from + dim; c++) {
      float s = fixed != null ? fixed[c] : own;
      row[c] = type == KvType.INT8 ? intCode(row[c], s, fixed != null) : s == 0 ? 0 : row[c] / s;
    }
    if (fixed == null) {
      block.set(JAVA_FLOAT_UNALIGNED, scaleOffset + 4L * slot, own);
    }
  }

  /** Static scales clamp at −128, as the formats that carry them do; a token's own never reach it. */
  private static float intCode(float x, float scale, boolean fixed) {
    if (!fixed) {
      return RowQuant.code(x, scale);
    }
    if (Float.isNaN(x)) {
      throw new ArithmeticException("NaN cannot be stored in an INT8 cache with static scales");
    }
    return (float) Math.clamp(Math.rint(x / scale), -128.0, 127.0);
  }
}
