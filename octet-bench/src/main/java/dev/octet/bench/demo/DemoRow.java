package dev.octet.bench.demo;

/**
 * What one variant achieved.
 *
 * @param weightBytes all weights in memory, scales included
 * @param kvBytesPerToken keys and values of a token in all layers, scales included, where the
 *     cache's last block is full
 * @param perplexity on the plan's text
 * @param change of it against the first variant, 0.01 is one per cent
 * @param speed medians of rounds in which all variants took turns
 * @param text what it makes of the prompt, the likeliest token each time
 */
public record DemoRow(
    DemoVariant variant,
    long weightBytes,
    double kvBytesPerToken,
    double perplexity,
    double change,
    SpeedProbe.Speed speed,
    String text) {}
