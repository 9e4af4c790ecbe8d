package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * Everything a linear layer is made of: {@code y = quantize(x)·Wᵀ + bias}.
 *
 * @param weight W [n, k]
 * @param bias F32 [n], or null
 * @param activation how x is quantized first
 * @param inputScale F32 [k], what each channel of x is multiplied with before anything else (AWQ's
 *     scales where no layer before could take them), or null
 * @param decoding what takes this one's place while tokens follow one by one, of the same shape;
 *     null: nothing. Its weight usually shares this one's codes
 * @param inputHadamard channels of the stretches of x, a power of two, each of which is multiplied
 *     by Sylvester's Hadamard matrix over the root of its order once it is scaled and before it is
 *     quantized; 0: x stays as it is
 */
public record LinearWeights(
    QuantizedWeight weight,
    @Nullable Tensor bias,
    ActivationQuant activation,
    @Nullable Tensor inputScale,
    @Nullable LinearWeights decoding,
    int inputHadamard) {
  public LinearWeights {
    if (bias != null && (bias.dtype() != DType.F32 || !bias.hasShape(weight.rows()))) {
      throw new IllegalArgumentException("bias must be F32 [" + weight.rows() + "], not " + bias);
    }
    if (inputScale != null
        && (inputScale.dtype() != DType.F32 || !inputScale.hasShape(weight.columns()))) {
      throw new IllegalArgumentException(
          "input scale must be F32 [" + weight.columns() + "], not " + inputScale);
    }
    if (inputHadamard < 0
        || Integer.bitCount(inputHadamard) > 1
        || inputHadamard > 0 && weight.columns() % inputHadamard != 0) {
      throw new IllegalArgumentException(
          "Hadamard matrices of order %d do not divide %d input features into powers of two"
              .formatted(inputHadamard, weight.columns()));
    }
    if (decoding != null
        && (decoding.decoding != null
            || decoding.weight.rows() != weight.rows()
            || decoding.weight.columns() != weight.columns())) {
      throw new IllegalArgumentException("a layer's form for decoding must have its shape");
    }
  }

  /** A layer that takes its input as it comes. */
  public LinearWeights(QuantizedWeight weight, @Nullable Tensor bias, ActivationQuant activation) {
    this(weight, bias, activation, null, null, 0);
  }

  /** A layer that is the same whatever is computed. */
  public LinearWeights(
      QuantizedWeight weight,
      @Nullable Tensor bias,
      ActivationQuant activation,
      @Nullable Tensor inputScale) {
    this(weight, bias, activation, inputScale, null, 0);
  }

  /** A layer that multiplies its input with nothing but the weight. */
  public LinearWeights(
      QuantizedWeight weight,
      @Nullable Tensor bias,
      ActivationQuant activation,
      @Nullable Tensor inputScale,
      @Nullable LinearWeights decoding) {
    this(weight, bias, activation, inputScale, decoding, 0);
  }

  /** The same layer with another weight of the same shape. */
  public LinearWeights withWeight(QuantizedWeight other) {
    return new LinearWeights(other, bias, activation, inputScale, decoding, inputHadamard);
  }

  /** The same layer with its inputs turned first. */
  public LinearWeights withInputHadamard(int order) {
    return new LinearWeights(weight, bias, activation, inputScale, decoding, order);
  }

  /** Bytes in memory; a form for decoding is taken to share the weight. */
  public long byteSize() {
    return weight.byteSize()
        + (bias == null ? 0 : bias.byteSize())
        + (inputScale == null ? 0 : inputScale.byteSize());
  }
}
