package dev.octet.quantize.rotate;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.WeightSource;

/**
 * That a model is to be rotated before it is quantized, as QuaRot does (Ashkboos et al., arXiv
 * 2404.00456), by what can be folded into weights alone.
 *
 * @param seed of the signs
 */
public record RotationOptions(long seed) {
  /**
   * The model rotated.
   *
   * @throws CheckpointException if it cannot be
   */
  public WeightSource of(WeightSource source) {
    return new RotatedSource(source, this);
  }

  /** One line for people. */
  public String step() {
    return "rotation: norms folded into what reads them; residual stream and value heads turned by"
        + " Hadamard matrices of random signs (seed "
        + seed
        + "); a tied embedding becomes two";
  }
}
