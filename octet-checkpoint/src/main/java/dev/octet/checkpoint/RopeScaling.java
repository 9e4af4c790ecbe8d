package dev.octet.checkpoint;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** The {@code rope_scaling} (or {@code rope_parameters}) of config.json. */
public sealed interface RopeScaling {
  /** Plain rotary embedding. */
  record Default() implements RopeScaling {}

  /** Positions divided by {@code factor}. */
  record LinearScaling(double factor) implements RopeScaling {}

  /** NTK: theta grows with the length beyond {@code originalContext}. */
  record Dynamic(double factor, int originalContext) implements RopeScaling {}

  /** Llama 3.1: low frequencies divided, high ones kept, a smooth ramp between. */
  record Llama3(double factor, double lowFrequency, double highFrequency, int originalContext)
      implements RopeScaling {}

  /**
   * YaRN (arXiv 2309.00071).
   *
   * @param attentionFactor explicit magnitude, or null: {@code 0.1·ln(factor) + 1}
   * @param mscale and {@code mscaleAllDim}: DeepSeek's variants, or null
   * @param truncate whether the correction range is rounded to whole channels (the default)
   */
  record Yarn(
      double factor,
      int originalContext,
      double betaFast,
      double betaSlow,
      @Nullable Double attentionFactor,
      @Nullable Double mscale,
      @Nullable Double mscaleAllDim,
      boolean truncate)
      implements RopeScaling {}

  /** Every pair of channels by a factor of its own: what GGUF stores of Llama 3.1. */
  record Factors(List<Double> factors) implements RopeScaling {
    public Factors {
      factors = List.copyOf(factors);
    }
  }
}
