package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import java.lang.foreign.Arena;

/** Quantizes one linear layer. */
public final class LayerQuantizer {
  /** Smaller groups cost more in scales than they save in codes. */
  static final int SMALLEST_GROUP = 16;

  private LayerQuantizer() {}

  /** Rounds every weight to its nearest code. */
  public static LinearWeights quantize(
      String module, LinearWeights layer, QuantScheme scheme, Arena arena) {
    return quantize(module, layer, scheme, WeightRounding.NEAREST, arena);
  }

  /**
   * Quantizes a layer.
   *
   * @param module its name, for messages
   * @param arena owns the result's weight; a shared or automatic one lets rows be worked on in
   *     parallel
   * @throws CheckpointException if the layer is quantized already or holds NaN, naming it
   */
  static LinearWeights quantize(
      String module,
      LinearWeights layer,
      QuantScheme scheme,
      WeightRounding rounding,
      Arena arena) {
    if (!(layer.weight() instanceof DenseWeight dense)) {
      throw new CheckpointException(
          "%s is quantized already (%s); run the checkpoint as it is, or quantize the original"
              .formatted(module, layer.weight().label()));
    }
    if (!(layer.activation() instanceof ActivationQuant.None)) {
      throw new CheckpointException(module + " has quantized activations already");
    }
    try {
      QuantizedWeight weight = rounding.method().quantize(dense.values(), scheme, arena);
      return layer.withWeight(weight).withActivation(scheme.activation());
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(module + ": " + reason(e), e);
    }
  }

  /**
   * The scheme with groups that divide {@code columns}, as other runtimes ask for: the scheme's
   * own, else the largest power of two below that does, else one group a row.
   */
  public static QuantScheme dividing(QuantScheme scheme, long columns) {
    if (scheme.granularity() != ScaleGranularity.GROUP || columns % scheme.group() == 0) {
      return scheme;
    }
    for (int g = Integer.highestOneBit(scheme.group()); g >= SMALLEST_GROUP; g >>= 1) {
      if (columns % g == 0) {
        return scheme.withGroup(g);
      }
    }
    return scheme.perChannel();
  }

  /**
   * What an exception says: a fork-join pool throws a copy whose message is the first one's class
   * and message.
   */
  public static String reason(Throwable thrown) {
    Throwable cause = thrown.getCause();
    return cause == null ? String.valueOf(thrown.getMessage()) : reason(cause);
  }
}
