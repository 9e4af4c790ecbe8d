package dev.octet.kernels.reference;

/**
 * A query as its keys need it.
 *
 * @param codes the query, rotated and quantized where the keys are
 * @param scale what the first {@code body} codes are multiplied by; the others by 1
 * @param shift q·k̄, which smoothing took from every score
 */
record QueryRow(float[] codes, int body, float scale, double shift) {}
