package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.checkpoint.RopeScaling.Dynamic;
import dev.octet.checkpoint.RopeScaling.Factors;
import dev.octet.checkpoint.RopeScaling.LinearScaling;
import dev.octet.checkpoint.RopeScaling.Llama3;
import dev.octet.checkpoint.RopeScaling.Yarn;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;

/** The rotary tables of a model. All but dynamic NTK's are the same for every length, made once. */
final class Rotary {
  private final int dim;
  private final double theta;
  private final RopeScaling scaling;
  private final RotaryTable fixed;

  Rotary(ModelConfig config) {
    this.dim = config.headDim();
    this.theta = config.ropeTheta();
    this.scaling = config.ropeScaling();
    this.fixed =
        switch (scaling) {
          case RopeScaling.Default _ -> RotaryTables.standard(dim, theta);
          case Dynamic _ -> RotaryTables.standard(dim, theta);
          case LinearScaling s -> RotaryTables.linear(dim, theta, s.factor());
          case Llama3 s ->
              RotaryTables.llama3(
                  dim, theta, s.factor(), s.lowFrequency(), s.highFrequency(), s.originalContext());
          case Yarn s -> yarn(s);
          case Factors s -> RotaryTables.factors(dim, theta, array(s));
        };
  }

  private static double[] array(Factors s) {
    return s.factors().stream().mapToDouble(Double::doubleValue).toArray();
  }

  private RotaryTable yarn(Yarn s) {
    return RotaryTables.yarn(
        dim,
        theta,
        s.factor(),
        s.originalContext(),
        s.betaFast(),
        s.betaSlow(),
        s.attentionFactor(),
        s.mscale(),
        s.mscaleAllDim(),
        s.truncate());
  }

  /**
   * @param length tokens of the sequence once the pass is done; dynamic NTK turns all positions of
   *     the pass by it
   */
  RotaryTable forLength(int length) {
    return scaling instanceof Dynamic s && length > s.originalContext()
        ? RotaryTables.dynamic(dim, theta, s.factor(), s.originalContext(), length)
        : fixed;
  }

  /** Positions the model may be asked for, as vLLM derives them. */
  static int contextLength(ModelConfig config) {
    double stretched =
        switch (config.ropeScaling()) {
          case RopeScaling.Default _ -> config.maxPositions();
          case Llama3 _, Factors _ -> config.maxPositions(); // already the stretched length
          case LinearScaling s -> config.maxPositions() * s.factor();
          case Dynamic s -> s.originalContext() * s.factor();
          case Yarn s -> s.originalContext() * s.factor();
        };
    return (int) Math.min(Integer.MAX_VALUE, Math.max(config.maxPositions(), stretched));
  }
}
