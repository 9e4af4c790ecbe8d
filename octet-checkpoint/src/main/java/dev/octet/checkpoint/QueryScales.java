package dev.octet.checkpoint;

import dev.octet.tensor.DType;

/**
 * A layer's calibrated scales of queries, after the rotary embedding: what makes attention itself
 * statically quantized where the layer's {@link KvScales} are there too.
 *
 * @param type I8 or F8_E4M3
 * @param scale one, one per query head, or one per query head and channel
 * @param offset −128…127, in any of these lengths; empty: 0, as always with FP8
 */
public record QueryScales(DType type, float[] scale, float[] offset) {}
