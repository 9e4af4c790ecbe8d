package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * Everything a linear layer is made of: {@code y = quantize(x)·Wᵀ + bias}.
 *
 * @param weight W [n, k]
 * @param bias F32 [n], or null
 * @param activation how x is quantized first
 */
public record LinearWeights(
    QuantizedWeight weight, @Nullable Tensor bias, ActivationQuant activation) {
  public LinearWeights {
    if (bias != null && (bias.dtype() != DType.F32 || !bias.hasShape(weight.rows()))) {
      throw new IllegalArgumentException("bias must be F32 [" + weight.rows() + "], not " + bias);
    }
  }

  /** Bytes in memory. */
  public long byteSize() {
    return weight.byteSize() + (bias == null ? 0 : bias.byteSize());
  }
}
