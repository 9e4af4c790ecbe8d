package dev.octet.kernels;

import dev.octet.tensor.Tensor;
import java.util.List;

/**
 * Linear layers that read the same input, ready to run as one: what they have in common, such as
 * quantizing the input, is done once. Every output is what its layer alone would give.
 */
public interface LinearGroup {
  /** The layers, in the order of the outputs. */
  List<Linear> layers();

  /**
   * @param x F32 [rows, k], contiguous
   * @param outs one a layer: F32 [rows, n], contiguous, not {@code x}
   */
  void apply(Tensor x, Tensor... outs);
}
