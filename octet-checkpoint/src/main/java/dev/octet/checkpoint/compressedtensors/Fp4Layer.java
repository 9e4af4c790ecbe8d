package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.fp4.StoredFp4;
import dev.octet.checkpoint.fp4.StoredFp4.Kind;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.LinearWeights;

/** A layer of {@code nvfp4-pack-quantized} or {@code mxfp4-pack-quantized}. */
final class Fp4Layer implements QuantizedLayer {
  private final StoredTensors tensors;
  private final LinearShape shape;
  private final Settings.Group group;
  private final StoredFp4 stored;

  Fp4Layer(StoredTensors tensors, LinearShape shape, Settings.Group group) {
    this.tensors = tensors;
    this.shape = shape;
    this.group = group;
    Kind kind = group.format().startsWith("nvfp4") ? Kind.NVFP4 : Kind.MXFP4;
    String module = shape.module();
    this.stored = new StoredFp4(module + ".weight_packed", module + ".weight_scale", kind);
    QuantizationArgs args = group.weights();
    if (!args.isFloat() || args.bits() != 4 || args.group() != kind.group()) {
      throw args.fields()
          .problem(
              "num_bits",
              "and group_size must be 4 and %d, with type float, for %s"
                  .formatted(kind.group(), group.format()));
    }
    if (args.dynamic()) {
      throw args.fields().unsupported("dynamic", "is true: weights have stored scales");
    }
  }

  @Override
  public void check() {
    stored.check(tensors, shape);
    global();
    activation();
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    return new LinearWeights(
        stored.read(tensors, shape, global()), DenseFormat.bias(tensors, shape), activation());
  }

  /** NVFP4 stores a divisor. */
  private double global() {
    if (stored.kind() == Kind.MXFP4) {
      return 1;
    }
    String name = shape.module() + ".weight_global_scale";
    float divisor = StoredScales.scalar(tensors, name);
    if (Float.isInfinite(1 / divisor)) {
      throw tensors.problem(name, "is %s, too small to divide by".formatted(divisor));
    }
    return 1.0 / divisor;
  }

  private ActivationQuant activation() {
    return stored.kind() == Kind.MXFP4
        ? Activations.readMx(group.inputs())
        : Activations.read(tensors, shape.module(), group.weights(), group.inputs());
  }
}
