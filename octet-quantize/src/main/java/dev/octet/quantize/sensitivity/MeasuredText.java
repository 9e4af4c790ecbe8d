package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;

/** How much text losses are measured on where nobody says. */
public final class MeasuredText {
  private static final int MOST = 4096;
  private static final int LEAST = 512;
  private static final int STEP = 256;

  /** Weights up to which all of it is affordable. */
  private static final double SMALL = 1e8;

  private MeasuredText() {}

  /**
   * Tokens: 4,096 for models of up to 100 million weights in their decoder layers, then fewer by
   * the root of their number, so that time grows slower than the model; 512 at least.
   */
  public static int tokens(ModelConfig config) {
    long[] weights = {0};
    ModelLayout.linears(config, shape -> weights[0] += shape.rows() * shape.columns());
    double tokens = MOST * Math.sqrt(SMALL / Math.max(SMALL, (double) weights[0]));
    return Math.clamp(Math.round(tokens / STEP) * STEP, LEAST, MOST);
  }
}
