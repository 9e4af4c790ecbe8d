package dev.octet.checkpoint;

import dev.octet.tensor.DType;

/**
 * A layer's calibrated KV cache scales, keys after the rotary embedding: {@code x' = (clamp(rint(x
 * / s + o)) - o)·s}.
 *
 * @param type I8 or F8_E4M3: what the cache is to hold
 * @param key one scale, one per kv head, or one per kv head and channel
 * @param value the same for values
 * @param keyOffset o of keys in any of these lengths; empty: 0, as always with FP8
 * @param valueOffset the same for values
 */
public record KvScales(
    DType type, float[] key, float[] value, float[] keyOffset, float[] valueOffset) {
  private static final float[] NONE = {};

  /** Without offsets. */
  public KvScales(DType type, float[] key, float[] value) {
    this(type, key, value, NONE, NONE);
  }
}
