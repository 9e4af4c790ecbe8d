package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.StoredScales;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * {@code weight_scale} and {@code weight_offset} of a layer, [n, 1] per channel or [n, k/g] per
 * group: {@code W = (q − offset)·scale}, both signed. Their shape tells which; the description's
 * {@code group_size} only says where groups end.
 */
final class Grid {
  private static final Set<DType> NUMBERS =
      EnumSet.of(DType.F32, DType.F16, DType.BF16, DType.I8, DType.I16, DType.I32);

  private final StoredTensors tensors;
  private final LinearShape shape;
  private final String suffix;
  private final int group;
  private final int minCode;

  /**
   * @param suffix what follows {@code weight_scale} and {@code weight_offset}
   * @param group the description's group size, 0 if it has none
   * @param bits of a code, which an offset must be too
   */
  Grid(StoredTensors tensors, LinearShape shape, String suffix, int group, int bits) {
    this.tensors = tensors;
    this.shape = shape;
    this.suffix = suffix;
    this.group = group;
    this.minCode = -(1 << (bits - 1));
  }

  /** Checks types, shapes and values without copying anything. */
  void check() {
    StoredScales.requirePositive(tensors, scaleName(), stored());
    offsets();
  }

  ScaleGrid read() {
    Tensor scales = stored().to(DType.F32, Arena.ofAuto());
    return grid(scales.reshape(shape.rows(), groups(scales)), offsets());
  }

  /** The same with every row's scales multiplied by one more. */
  ScaleGrid readTimes(Tensor rowScales) {
    Tensor scales = stored().to(DType.F32, Arena.ofAuto());
    long groups = groups(scales);
    for (long i = 0; i < scales.size(); i++) {
      scales.setFloat(i, scales.getFloat(i) * rowScales.getFloat(i / groups));
    }
    StoredScales.requirePositive(tensors, scaleName(), scales);
    return grid(scales.reshape(shape.rows(), groups), offsets());
  }

  private ScaleGrid grid(Tensor scales, @Nullable Tensor zeros) {
    ScaleGranularity granularity =
        scales.dim(1) == 1 ? ScaleGranularity.CHANNEL : ScaleGranularity.GROUP;
    return new ScaleGrid(granularity, 1, columnBlock(scales.dim(1)), scales, zeros);
  }

  /** Fails unless there is one scale a row. */
  void requireChannels() {
    if (groups(stored()) != 1) {
      throw tensors.problem(
          scaleName(), "is %s, expected [%d, 1]".formatted(stored(), shape.rows()));
    }
  }

  /** Fails unless all offsets are 0. */
  void requireSymmetric() {
    if (offsets() != null) {
      throw tensors.problem(offsetName(), "is not all 0: these weights have no offsets");
    }
  }

  private String scaleName() {
    return shape.module() + ".weight_scale" + suffix;
  }

  private String offsetName() {
    return shape.module() + ".weight_offset" + suffix;
  }

  private Tensor stored() {
    Tensor scale = tensors.get(scaleName());
    long n = shape.rows();
    boolean fits = scale.hasShape(n) || (scale.rank() == 2 && scale.dim(0) == n);
    if (!fits || scale.size() == 0 || !DenseFormat.FLOATS.contains(scale.dtype())) {
      throw tensors.problem(
          scaleName(), "is %s, expected floats [%d, 1] or [%d, groups]".formatted(scale, n, n));
    }
    columnBlock(groups(scale));
    return scale;
  }

  private long groups(Tensor scale) {
    return scale.size() / shape.rows();
  }

  private long columnBlock(long groups) {
    long k = shape.columns();
    if (groups == 1) {
      return k;
    }
    if (group > 0 ? ScaleGrid.blocks(k, group) == groups : k % groups == 0) {
      return group > 0 ? group : k / groups;
    }
    throw tensors.problem(
        scaleName(),
        "has %d groups for %d columns; group_size is %s"
            .formatted(groups, k, group > 0 ? String.valueOf(group) : "not given"));
  }

  /** Offsets as I16 in the shape of the scales; null if they are all 0. */
  private @Nullable Tensor offsets() {
    if (!tensors.has(offsetName())) {
      return null;
    }
    Tensor scale = stored();
    Tensor offset = tensors.get(offsetName());
    if (!NUMBERS.contains(offset.dtype()) || offset.size() != scale.size()) {
      throw tensors.problem(offsetName(), "is %s for scales %s".formatted(offset, scale));
    }
    boolean allZero = true;
    for (long i = 0; i < offset.size(); i++) {
      float o = offset.getFloat(i);
      allZero &= o == 0;
      if (!(o >= minCode && o < -minCode) || o != Math.rint(o)) {
        throw tensors.problem(
            offsetName(),
            "holds %s at index %d, which is no integer from %d to %d"
                .formatted(o, i, minCode, -minCode - 1));
      }
    }
    return allZero
        ? null
        : offset.to(DType.I16, Arena.ofAuto()).reshape(shape.rows(), groups(scale));
  }
}
