package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * Everything a linear layer is made of: {@code y = quantize(x·inputScale)·Wᵀ + bias}.
 *
 * @param weight W [n, k]
 * @param bias F32 [n], or null
 * @param activation how x is quantized first
 * @param inputScale F32 [k], what each channel of x is multiplied with before anything else (AWQ's
 *     scales where no layer before could take them), or null
 */
public record LinearWeights(
    QuantizedWeight weight,
    @Nullable Tensor bias,
    ActivationQuant activation,
    @Nullable Tensor inputScale) {
  public LinearWeights {
    if (bias != null && (bias.dtype() != DType.F32 || !bias.hasShape(weight.rows()))) {
      throw new IllegalArgumentException("bias must be F32 [" + weight.rows() + "], not " + bias);
    }
    if (inputScale != null
        && (inputScale.dtype() != DType.F32 || !inputScale.hasShape(weight.columns()))) {
      throw new IllegalArgumentException(
          "input scale must be F32 [" + weight.columns() + "], not " + inputScale);
    }
  }

  /** A layer that takes its input as it comes. */
  public LinearWeights(QuantizedWeight weight, @Nullable Tensor bias, ActivationQuant activation) {
    this(weight, bias, activation, null);
  }

  /** Bytes in memory. */
  public long byteSize() {
    return weight.byteSize()
        + (bias == null ? 0 : bias.byteSize())
        + (inputScale == null ? 0 : inputScale.byteSize());
  }
}
