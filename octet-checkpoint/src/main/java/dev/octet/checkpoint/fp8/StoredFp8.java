package dev.octet.checkpoint.fp8;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Set;

/** The tensors that hold a layer's E4M3 codes, their scales, and the input's. */
public final class StoredFp8 {
  private static final Set<DType> CODES = Set.of(DType.F8_E4M3);

  private StoredFp8() {}

  /** The codes, a view of the file. */
  public static Tensor codes(StoredTensors tensors, LinearShape shape) {
    return tensors.require(shape.module() + ".weight", CODES, shape.rows(), shape.columns());
  }

  /** Under one scale, or one for each output: [] or [1], [n] or [n, 1]. */
  public static Fp8Weight read(StoredTensors tensors, LinearShape shape) {
    String name = shape.module() + ".weight_scale";
    Tensor codes = codes(tensors, shape);
    Tensor scale = tensors.get(name);
    boolean channel = scale.rank() > 0 && scale.dim(0) == shape.rows() && scale.size() != 1;
    long rows = channel ? shape.rows() : 1;
    if (!channel && !(scale.size() == 1 && scale.rank() <= 2)) {
      throw tensors.problem(
          name, "is %s, expected one float or [%d, 1]".formatted(scale, shape.rows()));
    }
    Tensor scales =
        channel ? StoredScales.matrix(tensors, name, rows, 1, true) : one(tensors, name, scale);
    return new Fp8Weight(
        codes,
        new ScaleGrid(
            channel ? ScaleGranularity.CHANNEL : ScaleGranularity.TENSOR,
            channel ? 1 : Math.max(1, shape.rows()),
            Math.max(1, shape.columns()),
            scales,
            null));
  }

  private static Tensor one(StoredTensors tensors, String name, Tensor scale) {
    if (!DenseFormat.FLOATS.contains(scale.dtype())) {
      throw tensors.problem(name, "is %s, expected one float".formatted(scale));
    }
    StoredScales.requirePositive(tensors, name, scale);
    return scale.to(DType.F32, Arena.ofAuto()).reshape(1, 1);
  }

  /** Under a scale for every block: {@code weight_scale_inv}, which multiplies all the same. */
  public static Fp8Weight blocks(
      StoredTensors tensors, LinearShape shape, int blockRows, int blockColumns) {
    long rows = ScaleGrid.blocks(shape.rows(), blockRows);
    long columns = ScaleGrid.blocks(shape.columns(), blockColumns);
    Tensor scales = blockScales(tensors, shape.module(), rows, columns);
    ScaleGrid grid = new ScaleGrid(ScaleGranularity.BLOCK, blockRows, blockColumns, scales, null);
    return new Fp8Weight(codes(tensors, shape), grid);
  }

  /**
   * Side of the square blocks where no setting says it: the power of two from 16 to 512 that cuts
   * both sides of the weight into as many blocks as there are scales. Two of them do only where all
   * is one block, whose size does not matter.
   *
   * @param usual the answer where none does
   */
  public static int side(StoredTensors tensors, LinearShape shape, int usual) {
    Tensor scales = tensors.get(scales(tensors, shape.module()));
    int last = scales.rank() == 4 ? 2 : 1;
    if (scales.rank() <= last) {
      return usual;
    }
    for (int side : new int[] {usual, 16, 32, 64, 128, 256, 512}) {
      if (ScaleGrid.blocks(shape.rows(), side) == scales.dim(0)
          && ScaleGrid.blocks(shape.columns(), side) == scales.dim(last)) {
        return side;
      }
    }
    return usual;
  }

  private static String scales(StoredTensors tensors, String module) {
    String usual = module + ".weight_scale_inv";
    String other = module + ".weight_scale";
    Tensor renamed = tensors.has(usual) ? null : tensors.find(other);
    return renamed != null && renamed.rank() >= 2 ? other : usual;
  }

  /** Some tools call them {@code weight_scale}; ModelOpt keeps the blocks' own dimensions, 1. */
  private static Tensor blockScales(StoredTensors tensors, String module, long rows, long columns) {
    String name = scales(tensors, module);
    Tensor stored = tensors.get(name);
    if (stored.hasShape(rows, 1, columns, 1) && DenseFormat.FLOATS.contains(stored.dtype())) {
      StoredScales.requirePositive(tensors, name, stored);
      return stored.to(DType.F32, Arena.ofAuto()).reshape(rows, columns);
    }
    return StoredScales.matrix(tensors, name, rows, columns, false);
  }

  /** The input's stored scale. */
  public static ActivationQuant input(StoredTensors tensors, LinearShape shape) {
    return new ActivationQuant.StaticFp8(
        StoredScales.scalar(tensors, shape.module() + ".input_scale"));
  }
}
