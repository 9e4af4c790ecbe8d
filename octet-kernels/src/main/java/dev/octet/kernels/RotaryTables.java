package dev.octet.kernels;

import org.jspecify.annotations.Nullable;

/**
 * Builds {@link RotaryTable}s for the kinds of {@code rope_scaling} in use, computed in double as
 * Hugging Face's {@code modeling_rope_utils} defines them. {@code dim} is the number of rotated
 * channels, even; {@code theta} the base.
 */
public final class RotaryTables {
  private RotaryTables() {}

  /** {@code theta^(-2i/dim)} (RoFormer, arXiv 2104.09864). */
  public static RotaryTable standard(int dim, double theta) {
    requireEven(dim);
    double[] inverse = new double[dim / 2];
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] = Math.pow(theta, -2.0 * i / dim);
    }
    return new RotaryTable(inverse, 1);
  }

  /** Position interpolation (arXiv 2306.15595): all positions divided by {@code factor}. */
  public static RotaryTable linear(int dim, double theta, double factor) {
    double[] inverse = standard(dim, theta).inverse();
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] /= factor;
    }
    return new RotaryTable(inverse, 1);
  }

  /** Every frequency divided by a factor of its own, {@code dim/2} of them. */
  public static RotaryTable factors(int dim, double theta, double[] factors) {
    double[] inverse = standard(dim, theta).inverse();
    if (factors.length != inverse.length) {
      throw new IllegalArgumentException(
          "%d factors for %d frequencies".formatted(factors.length, inverse.length));
    }
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] /= factors[i];
    }
    return new RotaryTable(inverse, 1);
  }

  /**
   * Dynamic NTK: beyond {@code context} the base grows with {@code length}, the number of tokens of
   * the whole pass.
   */
  public static RotaryTable dynamic(int dim, double theta, double factor, int context, int length) {
    if (length <= context) {
      return standard(dim, theta);
    }
    double growth = factor * length / context - (factor - 1);
    return standard(dim, theta * Math.pow(growth, dim / (dim - 2.0)));
  }

  /** Llama 3.1: long wavelengths are stretched by {@code factor}, with a ramp between the bands. */
  public static RotaryTable llama3(
      int dim,
      double theta,
      double factor,
      double lowFrequency,
      double highFrequency,
      int originalContext) {
    double[] inverse = standard(dim, theta).inverse();
    for (int i = 0; i < inverse.length; i++) {
      double turns = originalContext * inverse[i] / (2 * Math.PI);
      double keep = (turns - lowFrequency) / (highFrequency - lowFrequency);
      keep = Math.max(0, Math.min(1, keep));
      inverse[i] = keep * inverse[i] + (1 - keep) * inverse[i] / factor;
    }
    return new RotaryTable(inverse, 1);
  }

  /**
   * YaRN (arXiv 2309.00071): channels that turn more than {@code betaFast} times over the original
   * context keep their frequency, those below {@code betaSlow} turns are interpolated, with a ramp
   * over channels between.
   *
   * @param attentionFactor the magnitude if stated, else null: {@code 0.1·ln(factor) + 1}, or with
   *     {@code mscale} and {@code mscaleAllDim} (DeepSeek) the quotient of their terms
   * @param truncate whether the ramp's ends are rounded outward to whole channels
   */
  public static RotaryTable yarn(
      int dim,
      double theta,
      double factor,
      int originalContext,
      double betaFast,
      double betaSlow,
      @Nullable Double attentionFactor,
      @Nullable Double mscale,
      @Nullable Double mscaleAllDim,
      boolean truncate) {
    double low = channel(betaFast, dim, theta, originalContext);
    double high = channel(betaSlow, dim, theta, originalContext);
    if (truncate) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, dim - 1);
    if (low == high) {
      high += 0.001; // the ramp must have a width
    }
    double[] inverse = standard(dim, theta).inverse();
    for (int i = 0; i < inverse.length; i++) {
      double interpolated = Math.max(0, Math.min(1, (i - low) / (high - low)));
      inverse[i] = interpolated * inverse[i] / factor + (1 - interpolated) * inverse[i];
    }
    return new RotaryTable(inverse, magnitude(factor, attentionFactor, mscale, mscaleAllDim));
  }

  /** The (fractional) channel that makes {@code turns} turns over the context. */
  private static double channel(double turns, int dim, double theta, int context) {
    return dim * Math.log(context / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  }

  private static double magnitude(
      double factor,
      @Nullable Double attentionFactor,
      @Nullable Double mscale,
      @Nullable Double mscaleAllDim) {
    if (attentionFactor != null) {
      return attentionFactor;
    }
    if (mscale != null && mscaleAllDim != null && mscale != 0 && mscaleAllDim != 0) {
      return growth(factor, mscale) / growth(factor, mscaleAllDim);
    }
    return growth(factor, 1);
  }

  private static double growth(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }

  private static void requireEven(int dim) {
    if (dim < 2 || dim % 2 != 0) {
      throw new IllegalArgumentException("rotary dimension " + dim + " must be even");
    }
  }
}
