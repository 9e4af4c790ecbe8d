package dev.octet.quantize.rotate;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.WeightSource;
import dev.octet.quantize.QuantizeOptions;

/**
 * That a model is to be rotated before it is quantized, as QuaRot does (Ashkboos et al., arXiv
 * 2404.00456), by what can be folded into weights, and on demand by what cannot.
 *
 * @param seed of the signs
 * @param online whether inputs of down_proj are turned as well, while the model runs: the
 *     activation before them lets nothing be folded past it. A format must be able to say so
 */
public record RotationOptions(long seed, boolean online) {
  /** Only what can be folded. */
  public RotationOptions(long seed) {
    this(seed, false);
  }

  /**
   * The model rotated.
   *
   * @param options which modules are left as they are: their inputs are not turned while it runs
   * @throws CheckpointException if it cannot be
   */
  public WeightSource of(WeightSource source, QuantizeOptions options) {
    return new RotatedSource(source, this, options);
  }

  /** One line for people. */
  public String step() {
    return "rotation: norms folded into what reads them; residual stream and value heads turned by"
        + " Hadamard matrices of random signs (seed "
        + seed
        + "); a tied embedding becomes two"
        + (online ? "; inputs of down_proj turned while the model runs" : "");
  }
}
