package dev.octet.kernels;

import dev.octet.tensor.Tensor;

/** A linear layer ready to run: {@code y = quantize(x)·Wᵀ + bias}. */
public interface Linear {
  /** k. */
  long inFeatures();

  /** n. */
  long outFeatures();

  /** Bytes of the weight it was made from, with scales and bias. */
  long byteSize();

  /**
   * @param x F32 [rows, k], contiguous
   * @param out F32 [rows, n], contiguous, not {@code x}
   */
  void apply(Tensor x, Tensor out);
}
