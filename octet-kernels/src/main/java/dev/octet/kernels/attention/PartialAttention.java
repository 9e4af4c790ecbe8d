package dev.octet.kernels.attention;

/**
 * One query's attention over some of the keys, not yet divided by its row sum, so that parts can be
 * merged (flash-decoding): at the common maximum {@code m}, {@code O = Σ 2^(m_i−m)·acc_i / Σ
 * 2^(m_i−m)·l_i}.
 *
 * @param acc Σ P·v
 * @param max maximum score in the log2 domain, −∞ if no key was seen
 * @param sum Σ P
 * @param shift what smoothing took from every score, natural logarithm
 */
public record PartialAttention(float[] acc, float max, double sum, double shift) {
  private static final double LN_2 = Math.log(2);

  /** Both together; a part that saw no key leaves the other as it is. */
  public PartialAttention merge(PartialAttention other) {
    if (other.max == Float.NEGATIVE_INFINITY) {
      return this;
    }
    if (max == Float.NEGATIVE_INFINITY) {
      return other;
    }
    float top = Math.max(max, other.max);
    double mine = Math.pow(2, (double) max - top);
    double theirs = Math.pow(2, (double) other.max - top);
    float[] merged = new float[acc.length];
    for (int c = 0; c < merged.length; c++) {
      merged[c] = (float) (mine * acc[c] + theirs * other.acc[c]);
    }
    return new PartialAttention(merged, top, mine * sum + theirs * other.sum, shift);
  }

  /** Divides by the row sum, in place: the output; zeros if no key was seen. */
  public float[] output() {
    if (max != Float.NEGATIVE_INFINITY) {
      float inverse = (float) (1 / sum);
      for (int c = 0; c < acc.length; c++) {
        acc[c] *= inverse;
      }
    }
    return acc;
  }

  /** Natural logarithm of the sum of exponentials of the scores. */
  public float lse() {
    return (float) (max * LN_2 + Math.log(sum) + shift);
  }
}
