package dev.octet.kernels.linear;

import dev.octet.tensor.Tensor;

/** What a layer does to its input before it quantizes and multiplies it. */
sealed interface InputTransform permits ScaledHadamard, KroneckerTransform {
  /** Whether both make the same of an input. */
  boolean sameAs(InputTransform other);

  /**
   * The transformed input, in memory kept for the calling thread: good until the thread transforms
   * the next.
   *
   * @param x F32 [rows, k], contiguous
   */
  Tensor apply(Tensor x, int rows);
}
