package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.packing.Columns;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;
import java.util.Set;

/** A layer of integers or FP8. Up to 4 bits become INT4, 5 to 8 bits INT8. */
final class Layer implements QuantizedLayer {
  private final StoredTensors tensors;
  private final LinearShape shape;
  private final Settings.Group group;
  private final QuantizationArgs args;
  private final boolean packed;
  private final boolean mx;
  private final Scales scales;

  Layer(StoredTensors tensors, LinearShape shape, Settings.Group group) {
    this.tensors = tensors;
    this.shape = shape;
    this.group = group;
    this.args = group.weights();
    this.packed = group.format().equals("pack-quantized");
    this.mx = group.format().equals("mxfp8-quantized");
    this.scales = new Scales(tensors, shape, args, packed, mx);
    if (mx) {
      requireMx();
    }
    if (args.isFloat() && args.bits() != 8) {
      throw group
          .fields()
          .problem("format", "is %s for %d-bit floats".formatted(group.format(), args.bits()));
    }
    if (args.isFloat() && (packed || group.format().equals("int-quantized"))) {
      throw group.fields().problem("format", "is %s for floats".formatted(group.format()));
    }
    if (!args.isFloat() && group.format().equals("float-quantized")) {
      throw group.fields().problem("format", "is float-quantized for integers");
    }
    if (args.dynamic()) {
      throw args.fields().unsupported("dynamic", "is true: weights have stored scales");
    }
    requireWholeGroups();
  }

  private void requireMx() {
    if (!args.isFloat() || args.group() != 32) {
      throw args.fields().problem("group_size", "must be 32, with type float, for mxfp8-quantized");
    }
  }

  private ActivationQuant activation() {
    return mx
        ? Activations.readMx(group.inputs())
        : Activations.read(tensors, shape.module(), args, group.inputs());
  }

  /** compressed-tensors itself knows one group shorter than its size, but no short last one. */
  private void requireWholeGroups() {
    int group = args.group();
    if (group > 0 && shape.columns() > group && shape.columns() % group != 0) {
      throw args.fields()
          .problem(
              "group_size",
              "%d does not divide the %d columns of %s"
                  .formatted(group, shape.columns(), shape.module()));
    }
  }

  @Override
  public void check() {
    codes();
    scales.check();
    columnOrder();
    activation();
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    QuantizedWeight weight =
        args.isFloat() ? new Fp8Weight(codes(), scales.read()) : args.bits() > 4 ? int8() : int4();
    return new LinearWeights(weight, DenseFormat.bias(tensors, shape), activation());
  }

  /** The stored codes, types and shapes checked. */
  private Tensor codes() {
    String name = shape.module() + (packed ? ".weight_packed" : ".weight");
    if (!packed) {
      DType type = args.isFloat() ? DType.F8_E4M3 : DType.I8;
      return tensors.require(name, Set.of(type), shape.rows(), shape.columns());
    }
    checkWeightShape();
    Tensor codes = tensors.get(name);
    long words = Packing.words(shape.columns(), args.bits());
    if (codes.dtype() != DType.I32
        || !(codes.hasShape(shape.rows(), words)
            || codes.hasShape(shape.rows(), Packing.laneWords(shape.columns(), args.bits())))) {
      throw tensors.problem(
          name,
          "is %s, expected I32 [%d, %d]: %d columns of %d bits"
              .formatted(codes, shape.rows(), words, shape.columns(), args.bits()));
    }
    return codes;
  }

  private void checkWeightShape() {
    String name = shape.module() + ".weight_shape";
    if (!tensors.has(name)) {
      return; // config.json tells the shape anyway
    }
    Tensor stored = tensors.require(name, Set.of(DType.I64, DType.I32), 2);
    if (stored.getLong(0) != shape.rows() || stored.getLong(1) != shape.columns()) {
      throw tensors.problem(
          name,
          "says [%d, %d], the model needs [%d, %d]"
              .formatted(stored.getLong(0), stored.getLong(1), shape.rows(), shape.columns()));
    }
  }

  private Tensor bytes() {
    Tensor codes = codes();
    if (!packed) {
      return codes;
    }
    return args.bits() == 8
        ? Packing.bytes(codes, shape.columns())
        : Packing.unpack(codes, shape.columns(), args.bits());
  }

  private QuantizedWeight int8() {
    Optional<Tensor> order = columnOrder();
    Tensor codes = Columns.gathered(bytes(), order.orElse(null));
    return new Int8Weight(codes, scales.read(), order.orElse(null));
  }

  private QuantizedWeight int4() {
    Tensor codes = codes();
    Optional<Tensor> order = columnOrder();
    if (packed && args.bits() == 4 && order.isEmpty()) {
      Tensor nibbles = Packing.nibbles(codes, shape.columns());
      return new Int4Weight(nibbles, shape.columns(), scales.read(), null);
    }
    Tensor stored = packed ? Packing.unpack(codes, shape.columns(), args.bits()) : codes;
    Tensor bytes = Columns.gathered(stored, order.orElse(null));
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, shape.rows(), (shape.columns() + 1) / 2);
    long bad = Packing.gather(bytes, out, args.minCode(), args.maxCode());
    if (bad >= 0) {
      throw tensors.problem(
          shape.module() + ".weight",
          "holds the code %d, which is no %d-bit integer"
              .formatted(bytes.getLong(bad), args.bits()));
    }
    return new Int4Weight(out, shape.columns(), scales.read(), order.orElse(null));
  }

  /** Columns in the order of their groups, if {@code weight_g_idx} gives another than their own. */
  private Optional<Tensor> columnOrder() {
    String name = shape.module() + ".weight_g_idx";
    if (!tensors.has(name)) {
      if (args.actOrder()) {
        tensors.get(name); // says that it is missing
      }
      return Optional.empty();
    }
    Tensor index = tensors.require(name, Set.of(DType.I32, DType.I64), shape.columns());
    return ColumnOrder.of(tensors, name, index, args);
  }
}
