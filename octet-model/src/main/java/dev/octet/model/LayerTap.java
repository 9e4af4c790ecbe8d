package dev.octet.model;

import dev.octet.tensor.Tensor;

/** Looks at the residual stream on its way through the layers. */
@FunctionalInterface
public interface LayerTap {
  /** Looks at nothing. */
  LayerTap NONE = (layer, hidden) -> {};

  /**
   * Called after every layer of every pass, on the thread that computes.
   *
   * @param layer the layer that was just left
   * @param hidden F32 [rows of the pass, hidden]; the next layer changes it
   */
  void left(int layer, Tensor hidden);
}
