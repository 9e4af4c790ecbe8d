package dev.octet.kernels.attention;

import static dev.octet.kernels.KvSpec.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.KvType;
import dev.octet.tensor.NotFiniteException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Writes one token's keys or values of all heads into a block, with the scales it needs. */
final class BlockEncoder {
  private final KvFormat format;
  private final @Nullable StaticOffsets offsets;
  private final @Nullable Rotation rotation;

  BlockEncoder(KvFormat format, @Nullable StaticOffsets offsets, @Nullable Rotation rotation) {
    this.format = format;
    this.offsets = offsets;
    this.rotation = rotation;
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
    int body = format.body();
    System.arraycopy(keys, from, scratch, 0, format.heads() * dim);
    for (int h = 0; h < format.heads(); h++) {
      if (rotation != null && mean != null) {
        for (int c = h * dim; c < h * dim + body; c++) {
          scratch[c] -= mean[c];
        }
        rotation.apply(scratch, h * dim);
      }
      if (KvFormat.hasZeros(format.keyType())) {
        ZeroQuant quant = ZeroQuant.of(scratch, h * dim, body, body < dim ? 1 : 0);
        block.set(JAVA_FLOAT_UNALIGNED, format.keyScaleOffset(h) + 4L * slot, quant.scale());
        block.set(JAVA_BYTE, format.keyZeroOffset(h) + slot, (byte) quant.zero());
        writeKey(block, h, slot, scratch);
        continue;
      }
      float own =
          scale(
              scratch,
              h * dim,
              body,
              format.keyType(),
              format.keyScales(),
              offsets == null ? null : offsets.keys(),
              body < dim ? 1 : 0);
      if (format.tokenKeyScales()) {
        block.set(JAVA_FLOAT_UNALIGNED, format.keyScaleOffset(h) + 4L * slot, own);
      }
      writeKey(block, h, slot, scratch);
    }
  }

  private void writeKey(MemorySegment block, int h, int slot, float[] codes) {
    int dim = format.keyDim();
    int body = format.body();
    write(block, format.keyOffset(h), slot, format.keyType(), codes, h * dim, body);
    write(block, format.tailOffset(h), slot, KvType.BF16, codes, h * dim + body, dim - body);
  }

  /** Stores the values of a token, [heads, valueDim], in slot {@code slot}. */
  void value(MemorySegment block, int slot, float[] values, float[] scratch) {
    int dim = format.valueDim();
    System.arraycopy(values, 0, scratch, 0, format.heads() * dim);
    for (int h = 0; h < format.heads(); h++) {
      if (KvFormat.hasZeros(format.valueType())) {
        ZeroQuant quant = ZeroQuant.of(scratch, h * dim, dim, 0);
        block.set(JAVA_FLOAT_UNALIGNED, format.valueScaleOffset(h) + 4L * slot, quant.scale());
        block.set(JAVA_BYTE, format.valueZeroOffset(h) + slot, (byte) quant.zero());
        writeValue(block, h, slot, scratch);
        continue;
      }
      float own =
          scale(
              scratch,
              h * dim,
              dim,
              format.valueType(),
              format.valueScales(),
              offsets == null ? null : offsets.values(),
              0);
      if (format.tokenValueScales()) {
        block.set(JAVA_FLOAT_UNALIGNED, format.valueScaleOffset(h) + 4L * slot, own);
      }
      writeValue(block, h, slot, scratch);
    }
  }

  private void writeValue(MemorySegment block, int h, int slot, float[] codes) {
    int dim = format.valueDim();
    for (int c = 0; c < dim; c++) {
      ElementCodec.write(
          block,
          format.valueOffset(h),
          (long) slot * dim + c,
          format.valueType(),
          codes[h * dim + c]);
    }
  }

  /** Writes a key channel-major: its channels lie a block's width apart. */
  private static void write(
      MemorySegment block, long base, int slot, KvType type, float[] row, int from, int n) {
    for (int c = 0; c < n; c++) {
      ElementCodec.write(block, base, (long) c * BLOCK + slot, type, row[from + c]);
    }
  }

  /**
   * Divides {@code row[from .. from+n)} by its scale.
   *
   * @param fixed static scales of all heads' channels, or null
   * @param shifts offsets that go with them, or null
   * @param scaleOfZeros the scale of a row of zeros
   * @return the row's own scale; 1 if it has none
   */
  private static float scale(
      float[] row,
      int from,
      int n,
      KvType type,
      float @Nullable [] fixed,
      float @Nullable [] shifts,
      float scaleOfZeros) {
    if (KvFormat.isWide(type)) {
      return 1;
    }
    if (fixed != null) {
      for (int c = from; c < from + n; c++) {
        float shift = shifts == null ? 0 : shifts[c];
        row[c] =
            type == KvType.INT8 ? intCode(row[c], fixed[c], shift) : fp8Value(row[c], fixed[c]);
      }
      return 1;
    }
    float own = RowQuant.absMax(row, from, n) / ElementCodec.maxCode(type);
    for (int c = from; c < from + n; c++) {
      row[c] = type == KvType.INT8 ? RowQuant.code(row[c], own) : own == 0 ? 0 : row[c] / own;
    }
    return own == 0 ? scaleOfZeros : own;
  }

  /**
   * Static scales clamp at −128, as the formats that carry them do; a token's own never reach it.
   */
  private static float intCode(float x, float scale, float shift) {
    if (!Float.isFinite(x)) {
      throw new NotFiniteException(x + " cannot be stored in an INT8 cache with static scales");
    }
    return (float) Math.clamp(Math.rint(x / scale + shift), -128.0, 127.0);
  }

  /** Clamping is for numbers: an infinity would come back as a plausible one. */
  private static float fp8Value(float x, float scale) {
    return Float.isFinite(x) ? x / scale : Float.NaN;
  }
}
