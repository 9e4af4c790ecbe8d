package dev.octet.quantize;

import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * How a weight becomes codes where nothing but the weight is known.
 *
 * @param name of the method with all its settings: layers of an interrupted run are reused only
 *     under the same
 * @param method does it
 */
public record WeightRounding(String name, Method method) {
  /** Each to its nearest. */
  public static final WeightRounding NEAREST =
      new WeightRounding("rounded to nearest", RoundToNearest::quantize);

  /** Makes codes of a weight. */
  @FunctionalInterface
  public interface Method {
    /**
     * Quantizes.
     *
     * @param values floats [n, k]
     * @param arena owns the result
     * @throws IllegalArgumentException if a value is no number
     */
    QuantizedWeight quantize(Tensor values, QuantScheme scheme, Arena arena);
  }
}
