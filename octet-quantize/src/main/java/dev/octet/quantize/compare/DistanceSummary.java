package dev.octet.quantize.compare;

import java.util.Arrays;
import java.util.List;

/**
 * How far a model's predictions are from the base's on the same text.
 *
 * @param tokens predicted by both
 * @param baseNll mean −ln p of the base
 * @param nll mean −ln q of the other
 * @param nllError standard error of the difference of both, token by token
 * @param divergence mean Kullback-Leibler divergence in nats
 * @param quantiles of the divergence over the tokens, at {@link #QUANTILES}
 * @param agreement share of tokens for which both find the same one the likeliest
 * @param probabilityChange root mean square of the change of the right token's probability
 */
public record DistanceSummary(
    long tokens,
    double baseNll,
    double nll,
    double nllError,
    double divergence,
    List<Double> quantiles,
    double agreement,
    double probabilityChange) {

  /** Where {@link #quantiles} are taken, for curves. */
  static final double[] QUANTILES = {
    0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1
  };

  DistanceSummary(
      long tokens,
      double baseNll,
      double nll,
      double nllError,
      double divergence,
      double[] quantiles,
      double agreement,
      double probabilityChange) {
    this(
        tokens,
        baseNll,
        nll,
        nllError,
        divergence,
        Arrays.stream(quantiles).boxed().toList(),
        agreement,
        probabilityChange);
  }

  /** Where the quantiles are. */
  public static double[] levels() {
    return QUANTILES.clone();
  }

  /** The base's perplexity. */
  public double basePerplexity() {
    return Math.exp(baseNll);
  }

  /** The other's. */
  public double perplexity() {
    return Math.exp(nll);
  }

  /** Change of perplexity: 0.01 is one per cent. */
  public double change() {
    return Math.expm1(nll - baseNll);
  }

  /** A quantile of the divergence, one of {@link #levels}. */
  public double quantile(double level) {
    int at = Arrays.binarySearch(QUANTILES, level);
    if (at < 0) {
      throw new IllegalArgumentException("no quantile at " + level);
    }
    return quantiles.get(at);
  }
}
