package dev.octet.checkpoint.internal;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/** Values in as few bits as hold them. */
public final class Narrow {
  private Narrow() {}

  /** F32 values in the first of the types that holds all of them exactly, else as they are. */
  public static Tensor to(Tensor values, DType... types) {
    if (values.dtype() != DType.F32) {
      return values;
    }
    for (DType type : types) {
      Tensor narrow = values.to(type, Arena.ofAuto());
      if (same(narrow, values)) {
        return narrow;
      }
    }
    return values;
  }

  private static boolean same(Tensor a, Tensor b) {
    for (long i = 0; i < b.size(); i++) {
      if (a.getFloat(i) != b.getFloat(i)) {
        return false;
      }
    }
    return true;
  }
}
