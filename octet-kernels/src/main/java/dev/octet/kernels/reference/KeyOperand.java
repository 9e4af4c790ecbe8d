package dev.octet.kernels.reference;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.attention.FirstBlockMean;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.Rotation;
import dev.octet.kernels.attention.RowQuant;
import dev.octet.tensor.Codecs;
import org.jspecify.annotations.Nullable;

/**
 * The keys of one head as a kind multiplies them, and the matching form of a query.
 *
 * <ul>
 *   <li>Keys stored rotated stay so, and the query is rotated; the others meet it as they are.
 *   <li>INT8 kinds take the codes of an INT8 or INT4 cache as they are: its token scales multiply
 *       the scores, static channel scales multiply the query before it is quantized. Keys of any
 *       other cache are smoothed with the mean of its first block, rotated and quantized row by
 *       row. Channels beyond the values' width stay out of that, in BF16 ({@link KvFormat#tail}).
 *   <li>INT-FlashAttention quantizes row by row and does nothing else.
 * </ul>
 */
final class KeyOperand {
  private final AttentionKind kind;
  private final PagedKvLayer kv;
  private final int head;
  private final KvFormat format;
  private final boolean codesAsStored;
  private final int body;
  private final float @Nullable [] mean;
  private final @Nullable Rotation rotation;

  private KeyOperand(AttentionKind kind, PagedKvLayer kv, int head) {
    this.kind = kind;
    this.kv = kv;
    this.head = head;
    this.format = kv.format();
    boolean smooth =
        switch (kind) {
          case INT8, INT8_FAST, INT8_BF16 -> true;
          case F32, BF16, INT_FLASH, INT_FLASH_HALF -> false;
        };
    this.codesAsStored = smooth && format.keyType().integer();
    boolean rotateHere = smooth && !codesAsStored;
    int tail = KvFormat.tail(format.keyDim(), format.valueDim());
    this.body =
        rotateHere ? format.keyDim() - tail : codesAsStored ? format.body() : format.keyDim();
    int rotated = rotateHere ? body : format.body();
    this.rotation = rotateHere || format.rotatedKeys() ? Rotation.of(rotated) : null;
    this.mean = rotation == null ? null : FirstBlockMean.of(kv, head);
  }

  static KeyOperand of(AttentionKind kind, PagedKvLayer kv, int head) {
    return new KeyOperand(kind, kv, head);
  }

  QueryRow query(float[] q) {
    double shift = 0;
    if (mean != null && rotation != null) {
      for (int c = 0; c < q.length; c++) {
        shift += (double) q[c] * mean[c];
      }
      rotation.apply(q, 0);
    }
    float[] fixed = format.keyScales();
    if (codesAsStored && fixed != null) {
      for (int c = 0; c < q.length; c++) {
        q[c] *= fixed[head * q.length + c];
      }
    }
    return new QueryRow(q, body, round(q), shift);
  }

  Tile tile(int block) {
    int count = kv.tokensIn(block);
    float[][] rows = new float[count][format.keyDim()];
    float[] scales = new float[count];
    for (int j = 0; j < count; j++) {
      int token = block * Tile.SIZE + j;
      for (int c = 0; c < rows[j].length; c++) {
        rows[j][c] = kv.keyCode(head, token, c);
      }
      scales[j] = kv.keyScale(head, token);
      if (!codesAsStored) {
        scales[j] = encode(rows[j], scales[j]);
      }
    }
    return new Tile(rows, scales);
  }

  /** Turns stored codes of scale {@code scale} into what the kind multiplies; returns its scale. */
  private float encode(float[] row, float scale) {
    boolean rotateHere = rotation != null && !format.rotatedKeys();
    boolean floating = kind == AttentionKind.F32 || kind == AttentionKind.BF16;
    if (floating && format.keyScales() == null && format.body() == row.length) {
      return round(row) * scale; // codes of one scale need not be decoded first
    }
    decode(row, scale);
    if (rotateHere && mean != null && rotation != null) {
      for (int c = 0; c < row.length; c++) {
        row[c] -= mean[c];
      }
      rotation.apply(row, 0);
    }
    return round(row);
  }

  private void decode(float[] row, float scale) {
    float[] fixed = format.keyScales();
    for (int c = 0; c < format.body(); c++) {
      row[c] *= fixed == null ? scale : fixed[head * row.length + c];
    }
  }

  /** Rounds to the type the kind multiplies in; returns the scale of the first {@code body}. */
  private float round(float[] x) {
    switch (kind) {
      case F32 -> {}
      case BF16 -> roundBf16(x, 0);
      case INT8, INT8_FAST, INT8_BF16, INT_FLASH, INT_FLASH_HALF -> {
        roundBf16(x, body);
        return RowQuant.quantize(x, 0, body);
      }
    }
    return 1;
  }

  private static void roundBf16(float[] x, int from) {
    for (int c = from; c < x.length; c++) {
      x[c] = Codecs.roundBf16(x[c]);
    }
  }
}
