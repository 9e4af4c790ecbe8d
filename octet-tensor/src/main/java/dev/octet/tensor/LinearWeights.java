package dev.octet.tensor;

import org.jspecify.annotations.Nullable;

/**
 * Everything a linear layer is made of: {@code y = quantize(x)·Wᵀ + bias}, where x is the layer's
 * input after its scale and its matrix, plus the product of low rank of the same x, unquantized.
 *
 * @param weight W [n, k]
 * @param bias F32 [n], or null
 * @param activation how x is quantized first
 * @param inputScale F32 [k], what each channel of x is multiplied with before anything else (AWQ's
 *     scales where no layer before could take them), or null
 * @param decoding what takes this one's place while tokens follow one by one, of the same shape;
 *     null: nothing. Its weight usually shares this one's codes
 * @param inputMatrix what x is multiplied with once it is scaled and before it is quantized, or
 *     null
 * @param lowRank what is added to the product, or null
 */
public record LinearWeights(
    QuantizedWeight weight,
    @Nullable Tensor bias,
    ActivationQuant activation,
    @Nullable Tensor inputScale,
    @Nullable LinearWeights decoding,
    @Nullable InputMatrix inputMatrix,
    @Nullable LowRank lowRank) {
  public LinearWeights {
    if (bias != null && (bias.dtype() != DType.F32 || !bias.hasShape(weight.rows()))) {
      throw new IllegalArgumentException("bias must be F32 [" + weight.rows() + "], not " + bias);
    }
    if (inputScale != null
        && (inputScale.dtype() != DType.F32 || !inputScale.hasShape(weight.columns()))) {
      throw new IllegalArgumentException(
          "input scale must be F32 [" + weight.columns() + "], not " + inputScale);
    }
    if (inputMatrix != null) {
      inputMatrix.requireColumns(weight.columns());
    }
    if (lowRank != null
        && (lowRank.down().columns() != weight.columns() || lowRank.up().rows() != weight.rows())) {
      throw new IllegalArgumentException(
          "a product of low rank must be [%d, %d], not [%d, %d]"
              .formatted(
                  weight.rows(), weight.columns(), lowRank.up().rows(), lowRank.down().columns()));
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
    this(weight, bias, activation, null, null, null, null);
  }

  /** A layer that is the same whatever is computed. */
  public LinearWeights(
      QuantizedWeight weight,
      @Nullable Tensor bias,
      ActivationQuant activation,
      @Nullable Tensor inputScale) {
    this(weight, bias, activation, inputScale, null, null, null);
  }

  /** A layer that multiplies its input with nothing but the weight. */
  public LinearWeights(
      QuantizedWeight weight,
      @Nullable Tensor bias,
      ActivationQuant activation,
      @Nullable Tensor inputScale,
      @Nullable LinearWeights decoding) {
    this(weight, bias, activation, inputScale, decoding, null, null);
  }

  /** The same layer with another weight of the same shape. */
  public LinearWeights withWeight(QuantizedWeight other) {
    return new LinearWeights(other, bias, activation, inputScale, decoding, inputMatrix, lowRank);
  }

  /** The same layer, whatever is computed, with its inputs quantized otherwise. */
  public LinearWeights withActivation(ActivationQuant other) {
    return new LinearWeights(weight, bias, other, inputScale, null, inputMatrix, lowRank);
  }

  /** The same layer with every input channel multiplied first, in its form for decoding, too. */
  public LinearWeights withInputScale(@Nullable Tensor scale) {
    LinearWeights other = decoding == null ? null : decoding.withInputScale(scale);
    return new LinearWeights(weight, bias, activation, scale, other, inputMatrix, lowRank);
  }

  /** The same layer with its inputs turned by a matrix first, in its form for decoding, too. */
  public LinearWeights withInputMatrix(@Nullable InputMatrix matrix) {
    LinearWeights other = decoding == null ? null : decoding.withInputMatrix(matrix);
    return new LinearWeights(weight, bias, activation, inputScale, other, matrix, lowRank);
  }

  /** The same layer with its inputs turned first by Hadamard matrices of that order; 0: as is. */
  public LinearWeights withInputHadamard(int order) {
    return withInputMatrix(order == 0 ? null : new InputMatrix.Hadamard(order));
  }

  /** The same layer with a product beside it, in its form for decoding, too. */
  public LinearWeights withLowRank(@Nullable LowRank product) {
    LinearWeights other = decoding == null ? null : decoding.withLowRank(product);
    return new LinearWeights(weight, bias, activation, inputScale, other, inputMatrix, product);
  }

  /** Whether y is no more than quantized x times W plus bias. */
  public boolean plain() {
    return inputScale == null && inputMatrix == null && lowRank == null;
  }

  /** Bytes in memory; a form for decoding is taken to share the weight. */
  public long byteSize() {
    return weight.byteSize()
        + (bias == null ? 0 : bias.byteSize())
        + (inputScale == null ? 0 : inputScale.byteSize())
        + (inputMatrix == null ? 0 : inputMatrix.byteSize())
        + (lowRank == null ? 0 : lowRank.byteSize());
  }
}
