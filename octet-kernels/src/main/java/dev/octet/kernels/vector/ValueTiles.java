package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.kernels.attention.FastStep;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import java.util.Arrays;

/**
 * The values of one head, a tile of 64 at a time, as the right-hand operand of the output: [tokens,
 * valueDim] numbers or codes, the scales to fold into P and those to put on the output.
 */
final class ValueTiles {
  private final AttentionKind kind;
  private final PagedKvLayer kv;
  private final int head;
  private final KvFormat format;
  private final boolean codes;

  /** [64, valueDim], and room for a panel more. */
  final float[] tile;

  /** Token scales to fold into P; 1 where there are none. */
  final float[] scale = new float[BLOCK];

  /** {@link FastStep#bound} of the scales. */
  float bound;

  ValueTiles(AttentionKind kind, PagedKvLayer kv, int head, float[] tile) {
    this.kind = kind;
    this.kv = kv;
    this.head = head;
    this.format = kv.format();
    this.tile = tile;
    this.codes =
        switch (kind) {
          case INT8, INT8_FAST, INT_FLASH -> true;
          case BF16, INT8_BF16 -> format.valueType().bits() <= 8; // which BF16 holds all of
          case F32, INT_FLASH_HALF -> false;
        };
    Arrays.fill(scale, 1);
  }

  void load(int block) {
    if (codes) {
      StoredTile.valueCodes(kv, head, block, tile);
      if (format.tokenValueScales()) {
        StoredTile.scales(kv, block, format.valueScaleOffset(head), scale);
      }
      bound = kind == AttentionKind.INT8_FAST ? FastStep.bound(scale, kv.tokensIn(block)) : 0;
      return;
    }
    StoredTile.values(kv, head, block, tile);
    int n = kv.tokensIn(block) * format.valueDim();
    switch (kind) {
      case BF16, INT8_BF16 -> {
        if (format.valueType() != KvType.BF16) {
          FloatRows.roundBf16(tile, 0, n);
        }
      }
      case INT_FLASH_HALF -> {
        if (format.valueType() != KvType.F16) {
          FloatRows.roundF16(tile, 0, n);
        }
      }
      default -> {}
    }
  }

  /** Whether every number of the tile last loaded is finite; integers always are. */
  boolean isFinite(int count) {
    return (codes && format.valueType().integer())
        || FloatRows.isFinite(tile, count * format.valueDim());
  }

  /** Multiplies an output row by the scales that are not in P. */
  void scaleOutput(float[] row) {
    float[] fixed = format.valueScales();
    if (codes && fixed != null) {
      FloatRows.scale(row, 0, row.length, fixed, head * row.length);
    }
  }
}
