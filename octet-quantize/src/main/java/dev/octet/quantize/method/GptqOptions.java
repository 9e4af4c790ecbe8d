package dev.octet.quantize.method;

import dev.octet.tensor.Clipping;

/**
 * How GPTQ works.
 *
 * @param order of the columns
 * @param damping part of the mean of H's diagonal that is added to the diagonal; raised tenfold
 *     where H is singular all the same
 * @param clipping how a group's scale is chosen
 */
public record GptqOptions(ActOrder order, double damping, Clipping clipping) {
  /** Columns by importance, stored groups, damping 0.01, ranges searched. */
  public static final GptqOptions DEFAULT = new GptqOptions(ActOrder.STATIC, 0.01, Clipping.SEARCH);

  public GptqOptions {
    if (!(damping > 0 && damping <= 1)) {
      throw new IllegalArgumentException("damping must be in (0, 1], not " + damping);
    }
  }
}
