package dev.octet.kernels.vector;

import dev.octet.tensor.Codecs;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Small loops over float arrays: scaling and rounding. */
final class FloatRows {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int VL = F.length();

  private FloatRows() {}

  /** {@code x[from .. from+n) *= factor}. */
  static void scale(float[] x, int from, int n, float factor) {
    for (int i = from; i < from + n; i++) {
      x[i] *= factor;
    }
  }

  /** {@code x[from + i] *= factors[at + i]} for i below n. */
  static void scale(float[] x, int from, int n, float[] factors, int at) {
    for (int i = 0; i < n; i++) {
      x[from + i] *= factors[at + i];
    }
  }

  /** Rounds to the nearest BF16 number, NaN kept. */
  static FloatVector bf16(FloatVector x) {
    IntVector bits = x.reinterpretAsInts();
    IntVector even = bits.lanewise(VectorOperators.LSHR, 16).and(1);
    FloatVector rounded = bits.add(even).add(0x7FFF).and(0xFFFF0000).reinterpretAsFloats();
    VectorMask<Float> nan = x.test(VectorOperators.IS_NAN);
    return rounded.blend(x, nan);
  }

  static void roundBf16(float[] x, int from, int n) {
    int i = 0;
    for (; i + VL <= n; i += VL) {
      bf16(FloatVector.fromArray(F, x, from + i)).intoArray(x, from + i);
    }
    for (; i < n; i++) {
      x[from + i] = Codecs.roundBf16(x[from + i]);
    }
  }

  static void roundF16(float[] x, int from, int n) {
    for (int i = from; i < from + n; i++) {
      x[i] = Float.float16ToFloat(Float.floatToFloat16(x[i]));
    }
  }
}
