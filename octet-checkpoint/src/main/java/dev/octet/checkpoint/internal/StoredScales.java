package dev.octet.checkpoint.internal;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Scales as every format has them: one for all, or a matrix, always finite and positive. */
public final class StoredScales {
  private StoredScales() {}

  /** Whether a scale is finite and positive, as readers ask and writers must keep. */
  public static boolean isSound(float scale) {
    return scale > 0 && scale < Float.POSITIVE_INFINITY;
  }

  /** Scales must be finite and positive: anything else silences or poisons a whole block. */
  public static void requirePositive(StoredTensors tensors, String name, Tensor scale) {
    long n = scale.size();
    for (long i = 0; i < n; i++) {
      float s = scale.getFloat(i);
      if (!isSound(s)) {
        throw tensors.problem(
            name, "holds the scale %s at index %d; it must be finite and positive".formatted(s, i));
      }
    }
  }

  /** One positive float, of shape [] or [1]. */
  public static float scalar(StoredTensors tensors, String name) {
    Tensor scale = tensors.get(name);
    if (scale.size() != 1 || scale.rank() > 1 || !DenseFormat.FLOATS.contains(scale.dtype())) {
      throw tensors.problem(name, "is %s, expected one float".formatted(scale));
    }
    requirePositive(tensors, name, scale);
    return scale.getFloat(0);
  }

  /**
   * A matrix [rows, columns] of positive floats as F32, kept where it is if it is F32 already.
   *
   * @param vector whether a single column may be stored as a vector
   */
  public static Tensor matrix(
      StoredTensors tensors, String name, long rows, long columns, boolean vector) {
    Tensor scale = checkMatrix(tensors, name, rows, columns, vector);
    return scale.to(DType.F32, Arena.ofAuto()).reshape(rows, columns);
  }

  /** The same without a copy, for checks. */
  public static Tensor checkMatrix(
      StoredTensors tensors, String name, long rows, long columns, boolean vector) {
    Tensor scale = tensors.get(name);
    boolean fits =
        scale.hasShape(rows, columns) || (vector && columns == 1 && scale.hasShape(rows));
    if (!fits || !DenseFormat.FLOATS.contains(scale.dtype())) {
      throw tensors.problem(
          name, "is %s, expected floats [%d, %d]".formatted(scale, rows, columns));
    }
    requirePositive(tensors, name, scale);
    return scale;
  }

  /** Exponents U8 or F8_E8M0 [rows, columns] as powers of two, F8_E8M0, a view; none is NaN. */
  public static Tensor powersOfTwo(StoredTensors tensors, String name, long rows, long columns) {
    Tensor stored = tensors.require(name, Set.of(DType.U8, DType.F8_E8M0), rows, columns);
    Tensor typed = Tensor.of(DType.F8_E8M0, stored.segment(), rows, columns);
    requirePositive(tensors, name, typed);
    return typed;
  }

  /** The input's static scale of that name, or null. */
  public static @Nullable Float scalarIfThere(StoredTensors tensors, String name) {
    return tensors.has(name) ? scalar(tensors, name) : null;
  }
}
