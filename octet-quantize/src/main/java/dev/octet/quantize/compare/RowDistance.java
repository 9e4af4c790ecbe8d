package dev.octet.quantize.compare;

import dev.octet.tensor.NotFiniteException;

/**
 * What two models think of the same token, given the same text before it.
 *
 * @param divergence Kullback-Leibler, {@code Σ p·ln(p/q)} with p the base's, in nats, at least 0
 * @param baseNll −ln p of the token that follows
 * @param nll −ln q of it
 * @param agrees whether both find the same token the likeliest
 */
record RowDistance(double divergence, double baseNll, double nll, boolean agrees) {

  /**
   * Compares two rows of logits; sums are in double precision.
   *
   * @param token the token that follows
   * @throws NotFiniteException if either row holds NaN or infinities
   */
  static RowDistance of(float[] base, float[] other, int token) {
    int likeliest = likeliest(base);
    int otherLikeliest = likeliest(other);
    double baseTop = base[likeliest];
    double otherTop = other[otherLikeliest];
    double baseSum = 0;
    double otherSum = 0;
    double weighted = 0;
    for (int i = 0; i < base.length; i++) {
      double b = base[i] - baseTop;
      double o = other[i] - otherTop;
      double p = Math.exp(b);
      baseSum += p;
      otherSum += Math.exp(o);
      weighted += p * (b - o);
    }
    double logBase = Math.log(baseSum);
    double logOther = Math.log(otherSum);
    double divergence = weighted / baseSum + logOther - logBase;
    if (!Double.isFinite(divergence)) {
      throw new NotFiniteException("a model gives logits that are no numbers");
    }
    return new RowDistance(
        Math.max(0, divergence), // rounding may take equal rows below
        logBase - (base[token] - baseTop),
        logOther - (other[token] - otherTop),
        likeliest == otherLikeliest);
  }

  private static int likeliest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }
}
