package dev.octet.checkpoint;

import dev.octet.checkpoint.packing.Codes;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The same weights said with positive scales and zero points, as formats other than GGUF say them.
 *
 * <p>A negative scale turns codes around: {@code (q − z)·s = (z − q)·(−s)}, and where the lowest
 * code has no opposite, {@code −1 − q} and {@code −1 − z} do the same. An offset is a zero point
 * where it is a whole multiple of the scale: {@code (q − z)·s + o = (q − (z − o/s))·s}. A scale of
 * 0 leaves the offset alone. Every weight is compared; one that would differ means that there is no
 * such form.
 */
public final class PlainForm {
  private final QuantizedWeight weight;
  private final ScaleGrid grid;
  private final int half;
  private final Tensor codes;
  private final Tensor scales;
  private final Tensor zeros;
  private boolean symmetric = true;

  private PlainForm(QuantizedWeight weight, ScaleGrid grid, int bits) {
    this.weight = weight;
    this.grid = grid;
    this.half = 1 << bits - 1;
    this.codes =
        Tensor.allocate(Arena.ofAuto(), DType.I8, weight.rows(), weight.columns()); // one a byte
    this.scales = Tensor.allocate(Arena.ofAuto(), DType.F32, grid.scales().shape());
    this.zeros = Tensor.allocate(Arena.ofAuto(), DType.I16, grid.scales().shape());
  }

  /** The layer in plain form; as it is where it is plain already or has no such form. */
  public static LinearWeights of(LinearWeights layer) {
    return switch (layer.weight()) {
      case Int8Weight w when !w.grid().plain() -> with(layer, new PlainForm(w, w.grid(), 8).find());
      case Int4Weight w when !w.grid().plain() -> with(layer, new PlainForm(w, w.grid(), 4).find());
      default -> layer;
    };
  }

  /** The layer with one scale a row where it has one for all; else as it is. */
  public static LinearWeights perRow(LinearWeights layer) {
    return layer.weight() instanceof Int8Weight w
            && w.grid().granularity() == ScaleGranularity.TENSOR
        ? with(layer, Optional.of(new Int8Weight(w.codes(), perRow(w), w.permutation())))
        : layer;
  }

  private static ScaleGrid perRow(Int8Weight w) {
    Tensor scales = Tensor.allocate(Arena.ofAuto(), DType.F32, w.rows(), 1);
    Tensor zeros = Tensor.allocate(Arena.ofAuto(), DType.I16, w.rows(), 1);
    for (long r = 0; r < w.rows(); r++) {
      scales.setFloat(r, w.grid().scale(0, 0));
      zeros.setFloat(r, w.grid().zeroPoint(0, 0));
    }
    return new ScaleGrid(
        ScaleGranularity.CHANNEL, 1, w.columns(), scales, w.grid().symmetric() ? null : zeros);
  }

  private static LinearWeights with(LinearWeights layer, Optional<QuantizedWeight> weight) {
    return weight.map(layer::withWeight).orElse(layer);
  }

  private Optional<QuantizedWeight> find() {
    for (long r = 0; r < weight.rows(); r += grid.rowBlock()) {
      for (long c = 0; c < weight.columns(); c += grid.columnBlock()) {
        if (!block(r, c)) {
          return Optional.empty();
        }
      }
    }
    QuantizedWeight plain = plain();
    return same(plain) ? Optional.of(plain) : Optional.empty();
  }

  private QuantizedWeight plain() {
    ScaleGrid all =
        new ScaleGrid(
            grid.granularity(),
            grid.rowBlock(),
            grid.columnBlock(),
            scales,
            symmetric ? null : zeros);
    @Nullable Tensor order = weight.permutation();
    return half == 8
        ? new Int4Weight(Codes.nibbles(codes), weight.columns(), all, order)
        : new Int8Weight(codes, all, order);
  }

  /** Says one block anew; false if it has no plain form. */
  private boolean block(long row, long column) {
    float scale = grid.scale(row, column);
    float offset = grid.offset(row, column);
    if (scale == 0) {
      constant(row, column, offset);
      return true;
    }
    double steps = offset / (double) scale;
    double zero = grid.zeroPoint(row, column) - steps;
    if (steps != Math.rint(steps) || zero < -half || zero > half) {
      return false;
    }
    boolean turned = scale < 0;
    boolean mirrored = turned && holdsLowest(row, column);
    int z = (int) zero;
    z = mirrored ? -1 - z : turned ? -z : z;
    if (z < -half || z >= half) {
      return false;
    }
    put(row, column, Math.abs(scale), z);
    int sign = turned ? -1 : 1;
    int shift = mirrored ? -1 : 0;
    each(row, column, (r, c) -> setCode(r, c, sign * code(r, c) + shift));
    return true;
  }

  /** All weights are {@code value}. */
  private void constant(long row, long column, float value) {
    put(row, column, value == 0 ? 1 : Math.abs(value), 0);
    int code = (int) Math.signum(value);
    each(row, column, (r, c) -> setCode(r, c, code));
  }

  private boolean holdsLowest(long row, long column) {
    boolean[] found = {false};
    each(row, column, (r, c) -> found[0] |= code(r, c) == -half);
    return found[0];
  }

  private void put(long row, long column, float scale, int zero) {
    long at = grid.index(row, column);
    scales.setFloat(at, scale);
    zeros.setFloat(at, zero);
    symmetric &= zero == 0;
  }

  @FunctionalInterface
  private interface Each {
    void at(long row, long column);
  }

  private void each(long row, long column, Each use) {
    long rows = Math.min(weight.rows(), row + grid.rowBlock());
    long columns = Math.min(weight.columns(), column + grid.columnBlock());
    for (long r = row; r < rows; r++) {
      for (long c = column; c < columns; c++) {
        use.at(r, c);
      }
    }
  }

  private int code(long row, long column) {
    return weight instanceof Int4Weight w
        ? w.code(row, column)
        : ((Int8Weight) weight)
            .codes()
            .segment()
            .get(ValueLayout.JAVA_BYTE, row * weight.columns() + column);
  }

  private void setCode(long row, long column, int code) {
    codes.segment().set(ValueLayout.JAVA_BYTE, row * weight.columns() + column, (byte) code);
  }

  private boolean same(QuantizedWeight plain) {
    float[] before = new float[Math.toIntExact(weight.columns())];
    float[] after = new float[before.length];
    for (long r = 0; r < weight.rows(); r++) {
      weight.dequantizeRow(r, before);
      plain.dequantizeRow(r, after);
      for (int c = 0; c < before.length; c++) {
        if (before[c] != after[c]) {
          return false;
        }
      }
    }
    return true;
  }
}
