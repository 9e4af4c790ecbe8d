package dev.octet.kernels;

import org.jspecify.annotations.Nullable;

/**
 * Shape and type of one layer's keys and values.
 *
 * @param heads key/value heads
 * @param keyDim channels of a key
 * @param valueDim channels of a value; usually {@code keyDim}
 * @param type what they are stored as
 * @param staticScales scales from the checkpoint, or null: computed from the data, never assumed to
 *     be 1
 */
public record KvSpec(
    int heads, int keyDim, int valueDim, KvType type, @Nullable StaticKvScales staticScales) {
  /** Tokens of a block. */
  public static final int BLOCK = 64;

  public KvSpec {
    if (heads < 1 || keyDim < 1 || valueDim < 1) {
      throw new IllegalArgumentException(
          "heads " + heads + ", keyDim " + keyDim + ", valueDim " + valueDim);
    }
    if (staticScales != null) {
      staticScales.requireFits(heads, keyDim, valueDim);
    }
  }
}
