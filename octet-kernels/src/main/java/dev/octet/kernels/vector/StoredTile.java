package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.KvType;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import java.lang.foreign.MemorySegment;

/** One head's keys or values of a block as the numbers that are stored: codes times scales. */
final class StoredTile {
  private StoredTile() {}

  /** Codes of the keys minus zero points [keyDim, 64], without scales; the BF16 tail as it is. */
  static void keyCodes(PagedKvLayer kv, int head, int block, float[] out) {
    KvFormat format = kv.format();
    MemorySegment memory = kv.block(block);
    int body = format.body() * BLOCK;
    int tail = format.keyDim() * BLOCK - body;
    BlockDecoder.decode(format.keyType(), memory, format.keyOffset(head), body, out, 0);
    if (format.keyType() == KvType.INT4) {
      float[] zeros = zeros(memory, format.keyZeroOffset(head));
      for (int at = 0; at < body; at += BLOCK) {
        FloatRows.subtract(out, at, BLOCK, zeros);
      }
    }
    if (tail > 0) {
      BlockDecoder.decode(KvType.BF16, memory, format.tailOffset(head), tail, out, body);
    }
  }

  /** The 64 token scales of keys or values that begin at {@code offset}. */
  static void scales(PagedKvLayer kv, int block, long offset, float[] out) {
    MemorySegment.copy(kv.block(block), JAVA_FLOAT_UNALIGNED, offset, out, 0, BLOCK);
  }

  /** Keys [keyDim, 64]. */
  static void keys(PagedKvLayer kv, int head, int block, float[] out) {
    KvFormat format = kv.format();
    keyCodes(kv, head, block, out);
    float[] fixed = format.keyScales();
    if (fixed != null) {
      for (int c = 0; c < format.keyDim(); c++) {
        FloatRows.scale(out, c * BLOCK, BLOCK, fixed[head * format.keyDim() + c]);
      }
    } else if (format.tokenKeyScales()) {
      float[] own = new float[BLOCK];
      scales(kv, block, format.keyScaleOffset(head), own);
      for (int c = 0; c < format.body(); c++) {
        FloatRows.scale(out, c * BLOCK, BLOCK, own, 0);
      }
    }
  }

  private static float[] zeros(MemorySegment memory, long offset) {
    float[] zeros = new float[BLOCK];
    for (int j = 0; j < BLOCK; j++) {
      zeros[j] = memory.get(JAVA_BYTE, offset + j);
    }
    return zeros;
  }

  /** Codes of the values minus zero points [tokens, valueDim], without scales. */
  static void valueCodes(PagedKvLayer kv, int head, int block, float[] out) {
    KvFormat format = kv.format();
    int n = kv.tokensIn(block) * format.valueDim();
    int whole = format.valueType() == KvType.F32 ? n : (n + BLOCK - 1) / BLOCK * BLOCK;
    BlockDecoder.decode(
        format.valueType(), kv.block(block), format.valueOffset(head), whole, out, 0);
    if (format.valueType() == KvType.INT4) {
      float[] zeros = zeros(kv.block(block), format.valueZeroOffset(head));
      for (int j = 0; j < kv.tokensIn(block); j++) {
        FloatRows.subtract(out, j * format.valueDim(), format.valueDim(), zeros[j]);
      }
    }
  }

  /** Values [tokens, valueDim]. */
  static void values(PagedKvLayer kv, int head, int block, float[] out) {
    KvFormat format = kv.format();
    int dim = format.valueDim();
    valueCodes(kv, head, block, out);
    float[] fixed = format.valueScales();
    float[] own = new float[BLOCK];
    if (format.tokenValueScales()) {
      scales(kv, block, format.valueScaleOffset(head), own);
    }
    for (int j = 0; j < kv.tokensIn(block); j++) {
      if (fixed != null) {
        FloatRows.scale(out, j * dim, dim, fixed, head * dim);
      } else if (format.tokenValueScales()) {
        FloatRows.scale(out, j * dim, dim, own[j]);
      }
    }
  }
}
