package dev.octet.quantize.sensitivity;

import dev.octet.quantize.compare.DistanceSummary;

/**
 * What predictions lose when part of a model is quantized.
 *
 * @param divergence mean Kullback-Leibler divergence from the original's, in nats: never negative,
 *     and steadier than the change of perplexity, in which luck may hide a loss
 * @param nllChange change of the mean −ln p of the text's tokens
 * @param standardError of that change
 */
public record Loss(double divergence, double nllChange, double standardError) {
  static Loss of(DistanceSummary d) {
    return new Loss(d.divergence(), d.nll() - d.baseNll(), d.nllError());
  }

  /** Change of perplexity: 0.01 is one per cent. */
  public double change() {
    return Math.expm1(nllChange);
  }
}
