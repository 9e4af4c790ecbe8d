package dev.octet.quantize.rotate;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Puts transforms into weights, in double precision. */
final class Folding {
  /** Columns that are turned together, so that rows are read in whole cache lines. */
  private static final int BAND = 64;

  private Folding() {}

  /**
   * The weight W [n, k] for an input that arrives as T(x) instead of {@code gain·x}: each row
   * becomes {@code T(gain·w)}, stretch by stretch where T is shorter.
   *
   * @param gain what the norm before multiplied each channel with, or null
   * @param type of the result
   */
  static Tensor inputs(
      Tensor weight, float @Nullable [] gain, HadamardTransform t, DType type, Arena arena) {
    int k = Math.toIntExact(weight.columns());
    int n = Math.toIntExact(weight.rows());
    Tensor out = Tensor.allocate(arena, type, n, k);
    IntStream.range(0, n)
        .parallel()
        .forEach(
            r -> {
              float[] row = new float[k];
              weight.copyRange((long) r * k, row);
              turn(row, gain, t);
              store(row, out, r);
            });
    return out;
  }

  /** {@code x ← T(gain·x)}. */
  static void turn(float[] x, float @Nullable [] gain, HadamardTransform t) {
    double[] wide = new double[x.length];
    for (int j = 0; j < x.length; j++) {
      wide[j] = gain == null ? x[j] : (double) x[j] * gain[j];
    }
    for (int from = 0; from < x.length; from += t.size()) {
      t.apply(wide, from);
    }
    for (int j = 0; j < x.length; j++) {
      x[j] = (float) wide[j];
    }
  }

  private static void store(float[] row, Tensor out, long r) {
    if (out.dtype() == DType.F32) {
      long at = r * row.length * Float.BYTES;
      MemorySegment.copy(row, 0, out.segment(), JAVA_FLOAT_UNALIGNED, at, row.length);
      return;
    }
    for (int j = 0; j < row.length; j++) {
      out.setFloat(r * row.length + j, row[j]);
    }
  }

  /** Makes an F32 weight [n, k] write T(y) instead of y, in place: every column is turned. */
  static void outputs(Tensor weight, HadamardTransform t) {
    int n = Math.toIntExact(weight.rows());
    int k = Math.toIntExact(weight.columns());
    IntStream.range(0, Math.ceilDiv(k, BAND))
        .parallel()
        .forEach(band -> turnBand(weight, n, k, band * BAND, t));
  }

  private static void turnBand(Tensor weight, int n, int k, int first, HadamardTransform t) {
    int width = Math.min(BAND, k - first);
    double[] columns = new double[width * n];
    float[] row = new float[width];
    for (int r = 0; r < n; r++) {
      MemorySegment.copy(weight.segment(), JAVA_FLOAT_UNALIGNED, at(r, k, first), row, 0, width);
      for (int c = 0; c < width; c++) {
        columns[c * n + r] = row[c];
      }
    }
    for (int from = 0; from < columns.length; from += t.size()) {
      t.apply(columns, from);
    }
    for (int r = 0; r < n; r++) {
      for (int c = 0; c < width; c++) {
        row[c] = (float) columns[c * n + r];
      }
      MemorySegment.copy(row, 0, weight.segment(), JAVA_FLOAT_UNALIGNED, at(r, k, first), width);
    }
  }

  private static long at(int row, int k, int column) {
    return ((long) row * k + column) * Float.BYTES;
  }

  /** A bias that is added to what {@link #outputs} turned. */
  static @Nullable Tensor bias(@Nullable Tensor bias, HadamardTransform t) {
    if (bias == null) {
      return null;
    }
    float[] values = bias.toFloats();
    turn(values, null, t);
    return Tensor.ofFloats(values, values.length);
  }
}
