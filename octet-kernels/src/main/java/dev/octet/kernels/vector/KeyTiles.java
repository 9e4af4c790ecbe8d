package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import java.util.Arrays;

/**
 * The keys of one head, a tile of 64 at a time, as the right-hand operand of the scores: [keyDim,
 * 64] numbers or codes, and what each key's score is multiplied by.
 */
final class KeyTiles {
  private final PagedKvLayer kv;
  private final int head;
  private final KvFormat format;
  private final boolean codes;
  private final boolean round;

  /** [keyDim, 64]. */
  final float[] tile;

  /** Scale of each key's score. */
  final float[] scale = new float[BLOCK];

  KeyTiles(AttentionKind kind, PagedKvLayer kv, int head, float[] tile) {
    this.kv = kv;
    this.head = head;
    this.format = kv.format();
    this.tile = tile;
    boolean integer = kind != AttentionKind.F32 && kind != AttentionKind.BF16;
    boolean oneScale = format.keyScales() == null && format.body() == format.keyDim();
    this.codes = integer || oneScale;
    // Codes of at most eight bits are BF16 numbers already.
    boolean exact = format.keyType().bits() <= 8 && oneScale;
    this.round = kind == AttentionKind.BF16 && !exact;
  }

  void load(int block) {
    if (!codes) {
      StoredTile.keys(kv, head, block, tile);
      Arrays.fill(scale, 1);
    } else {
      loadCodes(block);
    }
    if (round) {
      FloatRows.roundBf16(tile, 0, format.keyDim() * BLOCK);
    }
  }

  private void loadCodes(int block) {
    StoredTile.keyCodes(kv, head, block, tile);
    if (!format.tokenKeyScales()) {
      Arrays.fill(scale, 1);
      return;
    }
    StoredTile.scales(kv, block, format.keyScaleOffset(head), scale);
    for (int c = format.body(); c < format.keyDim(); c++) {
      for (int j = 0; j < BLOCK; j++) {
        tile[c * BLOCK + j] /= scale[j]; // the score's scale takes it back
      }
    }
  }
}
