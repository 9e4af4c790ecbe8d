package dev.octet.quantize.mixed;

import dev.octet.quantize.sensitivity.Loss;

/**
 * A mix and what was found of it.
 *
 * @param name what it is called in tables
 * @param bytes of all weights of the model
 * @param bits a weight of the linear layers, scales included
 * @param predicted sum of the divergences of its units, each measured alone
 * @param measured what it loses
 */
public record MixPoint(
    String name, Mix mix, long bytes, double bits, double predicted, Loss measured) {}
