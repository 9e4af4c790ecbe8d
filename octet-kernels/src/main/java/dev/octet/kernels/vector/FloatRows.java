package dev.octet.kernels.vector;

import dev.octet.kernels.attention.RowQuant;
import dev.octet.tensor.Codecs;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Small loops over float arrays: scaling and rounding. */
final class FloatRows {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final int VL = F.length();
  private static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, 8 * VL)));

  private FloatRows() {}

  /** Whether {@code x[0 .. n)} holds no NaN and no infinity. */
  static boolean isFinite(float[] x, int n) {
    FloatVector zeros = FloatVector.zero(F); // stay zeros: only what is not finite times 0 is NaN
    int i = 0;
    for (; i + VL <= n; i += VL) {
      zeros = FloatVector.fromArray(F, x, i).fma(FloatVector.zero(F), zeros);
    }
    float rest = Lanes.sum(zeros);
    for (; i < n; i++) {
      rest += x[i] * 0;
    }
    return !Float.isNaN(rest);
  }

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

  /** {@code x[from .. from+n) -= less}. */
  static void subtract(float[] x, int from, int n, float less) {
    for (int i = from; i < from + n; i++) {
      x[i] -= less;
    }
  }

  /** {@code x[from + i] -= less[i]} for i below n. */
  static void subtract(float[] x, int from, int n, float[] less) {
    for (int i = 0; i < n; i++) {
      x[from + i] -= less[i];
    }
  }

  /** {@code max[j] = max(max[j], |x[from + j]|)} for j below n, a multiple of the vector length. */
  static void raise(float[] max, float[] x, int from, int n) {
    for (int j = 0; j < n; j += VL) {
      FloatVector.fromArray(F, max, j)
          .max(FloatVector.fromArray(F, x, from + j).abs())
          .intoArray(max, j);
    }
  }

  /**
   * Sums and differences of the two halves of {@code x[base .. base + 2·width)}, in their place.
   */
  static void butterflies(float[] x, int base, int width) {
    for (int i = base; i < base + width; i += VL) {
      FloatVector a = FloatVector.fromArray(F, x, i);
      FloatVector b = FloatVector.fromArray(F, x, i + width);
      a.add(b).intoArray(x, i);
      a.sub(b).intoArray(x, i + width);
    }
  }

  /**
   * {@link RowQuant#code} of {@code x[from + j]} under {@code scale[j]} into {@code codes[from +
   * j]}; the quotient NaN of a zero row becomes code 0 as well.
   */
  static void quantize(float[] x, int from, int n, float[] scale, byte[] codes) {
    if (VL < 8) { // vectors of bytes have at least eight lanes
      for (int j = 0; j < n; j++) {
        codes[from + j] = (byte) RowQuant.code(x[from + j], scale[j]);
      }
      return;
    }
    for (int j = 0; j < n; j += VL) {
      FloatVector.fromArray(F, x, from + j)
          .div(FloatVector.fromArray(F, scale, j))
          .min(RowQuant.MAX)
          .max(-RowQuant.MAX)
          .add(Exp2.MAGIC)
          .sub(Exp2.MAGIC)
          .convertShape(VectorOperators.F2I, I, 0)
          .convertShape(VectorOperators.I2B, B, 0)
          .reinterpretAsBytes()
          .intoArray(codes, from + j);
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
