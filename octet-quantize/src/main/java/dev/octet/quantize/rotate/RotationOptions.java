package dev.octet.quantize.rotate;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.tensor.LinearWeights;

/**
 * That a model is to be rotated before it is quantized, as QuaRot does (Ashkboos et al., arXiv
 * 2404.00456), by what can be folded into weights, and on demand by what cannot.
 *
 * @param seed of the signs
 * @param online whether inputs of down_proj are turned as well, while the model runs: the
 *     activation before them lets nothing be folded past it. A format must be able to say so
 */
public record RotationOptions(long seed, boolean online) {
  /** Channels turned together while a model runs: more would store a larger matrix a layer. */
  private static final int MOST_ONLINE = 512;

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

  /** Order of the transform of down_proj's inputs in such a model; 0: they stay as they are. */
  public int downOrder(ModelConfig config) {
    return online ? Math.min(MOST_ONLINE, Integer.lowestOneBit(config.intermediateSize())) : 0;
  }

  /** A layer with its inputs turned as the rotated model has them. */
  public LinearWeights turned(String module, LinearWeights layer, ModelConfig config) {
    return module.endsWith(".down_proj") ? layer.withInputHadamard(downOrder(config)) : layer;
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
