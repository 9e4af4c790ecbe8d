package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A layer's {@code input_activations}, with {@code input_scale} where scales are static. */
final class Activations {
  private Activations() {}

  static ActivationQuant read(
      StoredTensors tensors,
      String module,
      QuantizationArgs weights,
      @Nullable QuantizationArgs inputs) {
    if (inputs == null) {
      return new ActivationQuant.None();
    }
    if (weights.isFloat() && !inputs.isFloat()) {
      throw inputs.fields().unsupported("type", "is int for weights that are floats");
    }
    if (inputs.strategy() == QuantizationArgs.Strategy.TENSOR_GROUP) {
      return fp4(tensors, module, inputs);
    }
    if (inputs.bits() == 4 && !inputs.isFloat() && inputs.dynamic()) {
      requireTokens(inputs);
      return new ActivationQuant.DynamicInt4();
    }
    if (inputs.bits() != 8) {
      throw inputs
          .fields()
          .unsupported(
              "num_bits",
              "is %d; activations have 8, or 4 as dynamic integers".formatted(inputs.bits()));
    }
    return inputs.dynamic() ? dynamic(inputs) : fixed(tensors, module, inputs);
  }

  /** Of layers in one of the MX formats: floats under powers of two, computed for each token. */
  static ActivationQuant readMx(@Nullable QuantizationArgs inputs) {
    if (inputs == null) {
      return new ActivationQuant.None();
    }
    boolean fits =
        inputs.isFloat()
            && inputs.dynamic()
            && inputs.strategy() == QuantizationArgs.Strategy.GROUP
            && inputs.group() == MxGroup.GROUP;
    if (!fits) {
      throw inputs
          .fields()
          .unsupported(
              "strategy",
              "and type: inputs of MX layers are dynamic floats in groups of " + MxGroup.GROUP);
    }
    return new MxGroup(inputs.bits());
  }

  /** NVFP4: {@code input_global_scale} divides. */
  private static ActivationQuant fp4(
      StoredTensors tensors, String module, QuantizationArgs inputs) {
    if (inputs.bits() != 4
        || inputs.group() != ActivationQuant.Fp4Group.GROUP
        || !inputs.dynamic()) {
      throw strategy(inputs);
    }
    float global = StoredScales.scalar(tensors, module + ".input_global_scale");
    if (Float.isInfinite(1 / global)) {
      throw tensors.problem(
          module + ".input_global_scale", "is %s, too small to divide by".formatted(global));
    }
    return new ActivationQuant.Fp4Group(1 / global);
  }

  private static void requireTokens(QuantizationArgs inputs) {
    requireSymmetric(inputs);
    if (inputs.strategy() != QuantizationArgs.Strategy.TOKEN) {
      throw strategy(inputs);
    }
  }

  private static void requireSymmetric(QuantizationArgs inputs) {
    if (!inputs.symmetric()) {
      throw inputs.fields().unsupported("symmetric", "is false for dynamic activations");
    }
  }

  /** Whether scales would be those of all tokens that happen to be computed together. */
  static boolean isOfBatch(QuantizationArgs inputs) {
    return inputs.dynamic() && inputs.strategy() == QuantizationArgs.Strategy.TENSOR;
  }

  /** One scale for a batch becomes one for each of its tokens, which is never less exact. */
  private static ActivationQuant dynamic(QuantizationArgs inputs) {
    return switch (inputs.strategy()) {
      case TOKEN, TENSOR ->
          inputs.isFloat()
              ? new ActivationQuant.DynamicFp8()
              : inputs.symmetric()
                  ? new ActivationQuant.DynamicInt8()
                  : new ActivationQuant.AsymmetricInt8();
      case GROUP -> {
        if (!inputs.isFloat()) {
          throw strategy(inputs);
        }
        yield new ActivationQuant.DynamicFp8Block(inputs.group());
      }
      case CHANNEL, BLOCK, ATTN_HEAD, TENSOR_GROUP -> throw strategy(inputs);
    };
  }

  private static CheckpointException strategy(QuantizationArgs inputs) {
    return inputs
        .fields()
        .unsupported(
            "strategy",
            "is '%s' for %s activations; supported are dynamic token and tensor, and static tensor"
                .formatted(inputs.strategy().label(), inputs.dynamic() ? "dynamic" : "static"));
  }

  private static ActivationQuant fixed(
      StoredTensors tensors, String module, QuantizationArgs inputs) {
    if (inputs.strategy() != QuantizationArgs.Strategy.TENSOR) {
      throw strategy(inputs);
    }
    String name = module + ".input_scale";
    Tensor scale = tensors.get(name);
    if (scale.size() != 1 || !DenseFormat.FLOATS.contains(scale.dtype())) {
      throw tensors.problem(name, "is %s, expected one float".formatted(scale));
    }
    StoredScales.requirePositive(tensors, name, scale);
    int offset = offset(tensors, module + ".input_zero_point", inputs);
    return inputs.isFloat()
        ? new ActivationQuant.StaticFp8(scale.getFloat(0))
        : new ActivationQuant.StaticInt8(scale.getFloat(0), offset);
  }

  private static int offset(StoredTensors tensors, String name, QuantizationArgs inputs) {
    if (!tensors.has(name)) {
      if (!inputs.symmetric()) {
        tensors.get(name); // says that it is missing
      }
      return 0;
    }
    Tensor zero = tensors.get(name);
    boolean integer = Set.of(DType.I8, DType.I16, DType.I32).contains(zero.dtype());
    boolean nothing = inputs.isFloat() && zero.dtype().decodable() && zero.size() == 1;
    if (zero.size() != 1 || !(integer || nothing)) {
      throw tensors.problem(name, "is %s, expected one integer".formatted(zero));
    }
    float value = zero.getFloat(0);
    if (value < -128 || value > 127 || (value != 0 && (inputs.symmetric() || inputs.isFloat()))) {
      throw tensors.problem(
          name, "is %s; %s".formatted(value, inputs.symmetric() ? "symmetric means 0" : "no int8"));
    }
    return (int) value;
  }
}
