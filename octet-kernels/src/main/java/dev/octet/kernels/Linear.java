package dev.octet.kernels;

import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;

/** A linear layer ready to run: {@code y = quantize(x)·Wᵀ + bias}. */
public interface Linear {
  /** What it was made from. */
  LinearWeights weights();

  /** k. */
  default long inFeatures() {
    return weights().weight().columns();
  }

  /** n. */
  default long outFeatures() {
    return weights().weight().rows();
  }

  /**
   * @param x F32 [rows, k], contiguous
   * @param out F32 [rows, n], contiguous, not {@code x}
   */
  void apply(Tensor x, Tensor out);
}
