package dev.octet.kernels.reference;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.RowQuant;
import dev.octet.tensor.Codecs;

/**
 * The values of one head as a kind multiplies them. INT8 kinds take the codes of an INT8 or INT4
 * cache as they are, BF16 those of every cache of at most eight bits: token scales go into P,
 * static channel scales onto the output. INT-FlashAttention has one scale for the whole head (its
 * section 3.2), which goes onto the output too.
 */
final class ValueOperand {
  private final AttentionKind kind;
  private final PagedKvLayer kv;
  private final int head;
  private final KvFormat format;
  private final boolean codesAsStored;
  private final float headScale;

  private ValueOperand(AttentionKind kind, PagedKvLayer kv, int head) {
    this.kind = kind;
    this.kv = kv;
    this.head = head;
    this.format = kv.format();
    this.codesAsStored = multipliesCodes(kind, format.valueType());
    this.headScale = kind == AttentionKind.INT_FLASH ? headScale() : 1;
  }

  /** BF16 holds every code of at most eight bits. */
  private static boolean multipliesCodes(AttentionKind kind, KvType type) {
    return switch (kind) {
      case INT8, INT8_FAST, INT8_BF16 -> type.integer();
      case BF16 -> type.bits() <= 8;
      case F32, INT_FLASH, INT_FLASH_HALF -> false;
    };
  }

  static ValueOperand of(AttentionKind kind, PagedKvLayer kv, int head) {
    return new ValueOperand(kind, kv, head);
  }

  /** What output channel {@code c} is multiplied by at the end. */
  float outputScale(int c) {
    float[] fixed = format.valueScales();
    return codesAsStored && fixed != null ? fixed[head * format.valueDim() + c] : headScale;
  }

  Tile tile(int block) {
    int count = kv.tokensIn(block);
    float[][] rows = new float[count][];
    float[] scales = new float[count];
    for (int j = 0; j < count; j++) {
      int token = block * Tile.SIZE + j;
      rows[j] = codesAsStored ? codes(token) : decode(token);
      scales[j] = codesAsStored ? kv.valueScale(head, token) : round(rows[j]);
    }
    return new Tile(rows, scales);
  }

  /** Rounds to the type the kind multiplies in; returns the scale. */
  private float round(float[] x) {
    switch (kind) {
      case F32 -> {}
      case BF16, INT8_BF16 -> {
        for (int c = 0; c < x.length; c++) {
          x[c] = Codecs.roundBf16(x[c]);
        }
      }
      case INT_FLASH_HALF -> {
        for (int c = 0; c < x.length; c++) {
          x[c] = Float.float16ToFloat(Float.floatToFloat16(x[c]));
        }
      }
      case INT_FLASH -> RowQuant.quantize(x, 0, x.length, headScale);
      case INT8, INT8_FAST -> {
        return RowQuant.quantize(x, 0, x.length);
      }
    }
    return 1;
  }

  private float headScale() {
    float max = 0;
    for (int token = 0; token < kv.length(); token++) {
      max = Math.max(max, RowQuant.absMax(decode(token), 0, format.valueDim()));
    }
    return max / RowQuant.MAX;
  }

  private float[] codes(int token) {
    float[] row = new float[format.valueDim()];
    for (int c = 0; c < row.length; c++) {
      row[c] = kv.valueCode(head, token, c);
    }
    return row;
  }

  private float[] decode(int token) {
    float[] row = codes(token);
    float[] fixed = format.valueScales();
    float own = kv.valueScale(head, token);
    for (int c = 0; c < row.length; c++) {
      row[c] *= fixed == null ? own : fixed[head * row.length + c];
    }
    return row;
  }
}
