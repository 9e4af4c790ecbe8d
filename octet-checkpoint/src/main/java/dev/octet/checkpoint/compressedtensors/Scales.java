package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Scales and zero points of one layer: {@code weight_scale} and {@code weight_zero_point}. */
final class Scales {
  private final StoredTensors tensors;
  private final LinearShape shape;
  private final QuantizationArgs args;
  private final boolean packed;
  private final boolean mx;
  private final long rowBlock;
  private final long columnBlock;

  /**
   * @param mx whether scales are powers of two, E8M0
   */
  Scales(
      StoredTensors tensors, LinearShape shape, QuantizationArgs args, boolean packed, boolean mx) {
    this.tensors = tensors;
    this.shape = shape;
    this.args = args;
    this.packed = packed;
    this.mx = mx;
    this.rowBlock =
        switch (args.granularity()) {
          case TENSOR -> Math.max(1, shape.rows());
          case CHANNEL, GROUP -> 1;
          case BLOCK -> args.blockRows();
        };
    this.columnBlock =
        switch (args.granularity()) {
          case TENSOR, CHANNEL -> Math.max(1, shape.columns());
          case GROUP -> args.group();
          case BLOCK -> args.blockColumns();
        };
  }

  private long gridRows() {
    return ScaleGrid.blocks(shape.rows(), rowBlock);
  }

  private long gridColumns() {
    return ScaleGrid.blocks(shape.columns(), columnBlock);
  }

  /** Checks types, shapes and values without copying anything. */
  void check() {
    StoredScales.requirePositive(tensors, scaleName(), stored());
    zeroPoints();
  }

  ScaleGrid read() {
    Tensor scales = stored().to(DType.F32, Arena.ofAuto());
    return new ScaleGrid(
        args.granularity(),
        rowBlock,
        columnBlock,
        scales.reshape(gridRows(), gridColumns()),
        zeroPoints());
  }

  private String scaleName() {
    return shape.module() + ".weight_scale";
  }

  /** A tensor scale may be a scalar, and a channel's may lack the second dimension. */
  private Tensor stored() {
    Tensor scale = tensors.get(scaleName());
    if (mx) {
      Tensor exponents =
          tensors.require(scaleName(), Set.of(DType.U8, DType.F8_E8M0), gridRows(), gridColumns());
      return Tensor.of(DType.F8_E8M0, exponents.segment(), exponents.shape());
    }
    boolean fits =
        scale.hasShape(gridRows(), gridColumns())
            || (args.granularity() == ScaleGranularity.TENSOR && scale.size() == 1)
            || (args.granularity() == ScaleGranularity.CHANNEL && scale.hasShape(gridRows()));
    if (!fits || !DenseFormat.FLOATS.contains(scale.dtype())) {
      throw tensors.problem(
          scaleName(),
          "is %s, expected floats [%d, %d] for strategy %s"
              .formatted(scale, gridRows(), gridColumns(), args.strategy().label()));
    }
    return scale;
  }

  /** Zero points as I16 in the shape of the scales; null if they are all zero by declaration. */
  private @Nullable Tensor zeroPoints() {
    String name = shape.module() + ".weight_zero_point";
    if (!tensors.has(name)) {
      if (!args.symmetric()) {
        tensors.get(name); // says that it is missing
      }
      return null;
    }
    if (args.isFloat()) {
      requireNoZeroPoints(name);
      return null;
    }
    Tensor zeros = integerZeros(name);
    boolean allZero = true;
    for (long i = 0; i < zeros.size(); i++) {
      long z = zeros.getLong(i);
      allZero &= z == 0;
      if (z < args.minCode() || z > args.maxCode()) {
        throw tensors.problem(
            name, "holds %d, which is no signed %d-bit code".formatted(z, args.bits()));
      }
    }
    if (args.symmetric()) {
      if (!allZero) {
        throw tensors.problem(name, "holds zero points, but the scheme is symmetric");
      }
      return null;
    }
    return zeros;
  }

  /** Some FP8 checkpoints carry zero points that say nothing. */
  private void requireNoZeroPoints(String name) {
    Tensor stored = tensors.get(name);
    for (long i = 0; i < stored.size(); i++) {
      if (!stored.dtype().decodable() || stored.getFloat(i) != 0) {
        throw tensors.problem(name, "must be all zero: FP8 weights have no zero point");
      }
    }
  }

  private Tensor integerZeros(String name) {
    long rows = gridRows();
    long columns = gridColumns();
    Tensor stored = tensors.get(name);
    if (packed && stored.dtype() == DType.I32) {
      boolean fits =
          stored.hasShape(Packing.words(rows, args.bits()), columns)
              || stored.hasShape(Packing.laneWords(rows, args.bits()), columns);
      if (!fits) {
        throw tensors.problem(
            name,
            "is %s, expected [%d, %d]"
                .formatted(stored, Packing.words(rows, args.bits()), columns));
      }
      return Packing.zeroPoints(stored, rows, args.bits());
    }
    boolean integers = Set.of(DType.I8, DType.I16, DType.I32).contains(stored.dtype());
    if (!integers || stored.size() != Math.multiplyExact(rows, columns)) {
      throw tensors.problem(
          name, "is %s, expected integers [%d, %d]".formatted(stored, rows, columns));
    }
    return stored.to(DType.I16, Arena.ofAuto()).reshape(rows, columns);
  }
}
