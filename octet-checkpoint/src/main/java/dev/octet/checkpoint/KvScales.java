package dev.octet.checkpoint;

import dev.octet.tensor.DType;

/**
 * A layer's calibrated KV cache scales, keys after the rotary embedding.
 *
 * @param type I8 or F8_E4M3: what the cache is to hold
 * @param key one scale, one per kv head, or one per kv head and channel
 * @param value the same for values
 */
public record KvScales(DType type, float[] key, float[] value) {}
