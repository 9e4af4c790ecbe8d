package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.checkpoint.RopeScaling.Dynamic;
import dev.octet.checkpoint.RopeScaling.LinearScaling;
import dev.octet.checkpoint.RopeScaling.Llama3;
import dev.octet.checkpoint.RopeScaling.Yarn;
import dev.octet.kernels.RotaryTable;
import org.jspecify.annotations.Nullable;

/**
 * The rotary tables of a model, with Hugging Face's formulas ({@code modeling_rope_utils.py}). All
 * but dynamic NTK are the same for every length and made once.
 */
final class Rotary {
  private final int dim;
  private final double theta;
  private final RopeScaling scaling;
  private final @Nullable RotaryTable fixed;

  Rotary(ModelConfig config) {
    this.dim = config.headDim();
    this.theta = config.ropeTheta();
    this.scaling = config.ropeScaling();
    this.fixed =
        switch (scaling) {
          case RopeScaling.Default _ -> new RotaryTable(inverse(theta), 1);
          case LinearScaling s -> linear(s);
          case Llama3 s -> llama3(s);
          case Yarn s -> yarn(s);
          case Dynamic _ -> null;
        };
  }

  /**
   * @param length tokens of the sequence once the pass is done; dynamic NTK turns all positions of
   *     the pass by it
   */
  RotaryTable forLength(int length) {
    return fixed != null ? fixed : dynamic((Dynamic) scaling, length);
  }

  /** Positions the model may be asked for, as vLLM derives them. */
  static int contextLength(ModelConfig config) {
    double stretched =
        switch (config.ropeScaling()) {
          case RopeScaling.Default _ -> config.maxPositions();
          case Llama3 _ -> config.maxPositions(); // already the stretched length
          case LinearScaling s -> config.maxPositions() * s.factor();
          case Dynamic s -> s.originalContext() * s.factor();
          case Yarn s -> s.originalContext() * s.factor();
        };
    return (int) Math.min(Integer.MAX_VALUE, Math.max(config.maxPositions(), stretched));
  }

  private double[] inverse(double base) {
    double[] inverse = new double[dim / 2];
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] = Math.pow(base, -2.0 * i / dim);
    }
    return inverse;
  }

  private RotaryTable linear(LinearScaling s) {
    double[] inverse = inverse(theta);
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] /= s.factor();
    }
    return new RotaryTable(inverse, 1);
  }

  private RotaryTable dynamic(Dynamic s, int length) {
    if (length <= s.originalContext()) {
      return new RotaryTable(inverse(theta), 1);
    }
    double stretch = s.factor() * length / s.originalContext() - (s.factor() - 1);
    return new RotaryTable(inverse(theta * Math.pow(stretch, dim / (dim - 2.0))), 1);
  }

  private RotaryTable llama3(Llama3 s) {
    double[] inverse = inverse(theta);
    for (int i = 0; i < inverse.length; i++) {
      double turns = s.originalContext() * inverse[i] / (2 * Math.PI); // within the old context
      double kept = (turns - s.lowFrequency()) / (s.highFrequency() - s.lowFrequency());
      kept = Math.clamp(kept, 0, 1);
      inverse[i] = kept * inverse[i] + (1 - kept) * inverse[i] / s.factor();
    }
    return new RotaryTable(inverse, 1);
  }

  /** arXiv 2309.00071, section 3.4. */
  private RotaryTable yarn(Yarn s) {
    double low = channelThatTurns(s.betaFast(), s.originalContext());
    double high = channelThatTurns(s.betaSlow(), s.originalContext());
    if (s.truncate()) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, dim - 1);
    double width = high == low ? 0.001 : high - low;
    double[] inverse = inverse(theta);
    for (int i = 0; i < inverse.length; i++) {
      double interpolated = Math.clamp((i - low) / width, 0, 1);
      inverse[i] = inverse[i] / s.factor() * interpolated + inverse[i] * (1 - interpolated);
    }
    return new RotaryTable(inverse, magnitude(s));
  }

  /** The (fractional) channel pair that turns {@code rotations} times within {@code context}. */
  private double channelThatTurns(double rotations, int context) {
    return dim * Math.log(context / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
  }

  private static double magnitude(Yarn s) {
    Double given = s.attentionFactor();
    if (given != null) {
      return given;
    }
    Double mscale = s.mscale();
    Double allDim = s.mscaleAllDim();
    if (mscale != null && allDim != null && mscale != 0 && allDim != 0) {
      return yarnScale(s.factor(), mscale) / yarnScale(s.factor(), allDim);
    }
    return yarnScale(s.factor(), 1);
  }

  private static double yarnScale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }
}
