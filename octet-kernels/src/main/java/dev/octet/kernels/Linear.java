package dev.octet.kernels;

import dev.octet.tensor.RowTable;
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
   * The weight's rows, read from the memory that this layer multiplies: where they are looked up as
   * well (an embedding that is the output layer), nothing else has to be kept.
   */
  RowTable table();

  /**
   * @param x F32 [rows, k], contiguous
   * @param out F32 [rows, n], contiguous, not {@code x}
   */
  void apply(Tensor x, Tensor out);
}
