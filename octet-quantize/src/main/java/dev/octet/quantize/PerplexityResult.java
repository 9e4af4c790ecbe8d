package dev.octet.quantize;

/**
 * What a measurement found.
 *
 * @param perplexity {@code exp(meanNll)}
 * @param meanNll mean of −ln p over the scored tokens
 * @param tokens tokens scored
 * @param windows windows run
 * @param seconds time taken
 * @param tokensPerSecond tokens run through the model in a second, context and BOS included
 */
public record PerplexityResult(
    double perplexity,
    double meanNll,
    long tokens,
    int windows,
    double seconds,
    double tokensPerSecond) {}
