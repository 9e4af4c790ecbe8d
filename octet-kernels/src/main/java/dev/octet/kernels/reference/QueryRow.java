package dev.octet.kernels.reference;

/**
 * A query as its keys need it.
 *
 * @param codes the query, rotated and quantized where the keys are
 * @param scale what the codes are multiplied by
 * @param shift q·k̄, which smoothing took from every score
 */
record QueryRow(float[] codes, float scale, double shift) {}
