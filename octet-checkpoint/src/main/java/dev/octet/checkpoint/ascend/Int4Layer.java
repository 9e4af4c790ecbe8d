package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.checkpoint.packing.RowPairs;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Set;

/**
 * {@code W4A16}, {@code W4A8_DYNAMIC} and {@code W4A4_DYNAMIC}. Codes lie one a byte [n, k] in
 * first-generation files and in W4A4; others pair them along the input axis [n, k/2] (per channel)
 * or along the output axis [n/2, k] (per group, and W4A8), the even one in the low nibble. The
 * shape tells which.
 *
 * <p>{@code scale_bias} helps a kernel that takes codes for unsigned; it is no part of the weight.
 *
 * @param versioned whether codes are packed where the shape alone does not tell
 * @param second the scales of the second stage, where weights went by way of INT8; absent otherwise
 */
record Int4Layer(
    StoredTensors tensors,
    LinearShape shape,
    boolean versioned,
    Grid first,
    Grid second,
    ActivationQuant activation)
    implements Layer {
  private static final Set<DType> BYTES = Set.of(DType.I8, DType.U8);

  private enum Layout {
    PLAIN,
    ALONG_INPUTS,
    ALONG_OUTPUTS
  }

  static Int4Layer of(
      StoredTensors tensors,
      LinearShape shape,
      Description description,
      int group,
      ActivationQuant activation) {
    return new Int4Layer(
        tensors,
        shape,
        description.versioned(),
        new Grid(tensors, shape, "", group, 4),
        new Grid(tensors, shape, "_second", group, 4),
        activation);
  }

  /** One code a byte whatever the version. */
  static Int4Layer unpacked(
      StoredTensors tensors, LinearShape shape, int group, ActivationQuant activation) {
    return new Int4Layer(
        tensors,
        shape,
        false,
        new Grid(tensors, shape, "", group, 4),
        new Grid(tensors, shape, "_second", group, 4),
        activation);
  }

  @Override
  public void check() {
    layout();
    first.check();
    if (twoStages()) {
      first.requireChannels();
      first.requireSymmetric();
      second.check();
    }
    DenseFormat.checkBias(tensors, shape);
  }

  @Override
  public LinearWeights read() {
    return new LinearWeights(
        new Int4Weight(nibbles(), shape.columns(), grid(), null),
        DenseFormat.bias(tensors, shape),
        activation);
  }

  private boolean twoStages() {
    return tensors.has(shape.module() + ".weight_scale_second");
  }

  private ScaleGrid grid() {
    return twoStages() ? second.readTimes(first.read().scales()) : first.read();
  }

  private String name() {
    return shape.module() + ".weight";
  }

  private Layout layout() {
    Tensor codes = tensors.get(name());
    long n = shape.rows();
    long k = shape.columns();
    boolean plain = codes.hasShape(n, k);
    if (BYTES.contains(codes.dtype())) {
      if (plain && !(versioned && n == 1)) {
        return Layout.PLAIN;
      }
      if (codes.hasShape(n, (k + 1) / 2)) {
        return Layout.ALONG_INPUTS;
      }
      if (codes.hasShape((n + 1) / 2, k)) {
        return Layout.ALONG_OUTPUTS;
      }
    }
    throw tensors.problem(
        name(),
        "is %s, expected bytes [%d, %d], [%d, %d] or [%d, %d]"
            .formatted(codes, n, (k + 1) / 2, (n + 1) / 2, k, n, k));
  }

  private Tensor nibbles() {
    Tensor codes = tensors.get(name());
    return switch (layout()) {
      case PLAIN -> gathered(codes);
      case ALONG_INPUTS -> RowPairs.asNibbles(codes, shape.columns());
      case ALONG_OUTPUTS -> RowPairs.unpack(codes, shape.rows());
    };
  }

  private Tensor gathered(Tensor codes) {
    long width = (shape.columns() + 1) / 2;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, shape.rows(), width);
    long bad = Packing.gather(codes, out, -8, 7);
    if (bad >= 0) {
      throw tensors.problem(
          name(),
          "holds the code %d at index %d, which is no 4-bit integer"
              .formatted((byte) codes.getLong(bad), bad));
    }
    return out;
  }
}
