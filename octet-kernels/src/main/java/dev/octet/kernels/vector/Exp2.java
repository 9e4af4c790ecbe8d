package dev.octet.kernels.vector;

import dev.octet.kernels.attention.FastStep;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@code 2^x} for x ≤ 0: Cody–Waite with the rounding done by adding 1.5·2²³, then a polynomial of
 * degree 6 on [−½, ½] (minimax in relative error, fitted by Lawson iteration, constant term exactly
 * 1). Relative error 1.0e-7. Below −126 the result is 0; NaN stays NaN, whatever its payload.
 */
final class Exp2 {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;

  /** Adding it puts a float's integer part into its lowest mantissa bits, rounded half to even. */
  static final float MAGIC = 12582912f;

  /** The integer part arrives with F32's exponent bias: shifted up it is a power of two. */
  private static final float BIASED = MAGIC + 127;

  private static final float C1 = 0.6931472f;
  private static final float C2 = 0.24022648f;
  private static final float C3 = 0.055503324f;
  private static final float C4 = 0.009618437f;
  private static final float C5 = 0.0013398874f;
  private static final float C6 = 0.00015353362f;

  private Exp2() {}

  static FloatVector of(FloatVector x) {
    FloatVector shifted = x.add(BIASED);
    FloatVector f = x.sub(shifted.sub(BIASED));
    FloatVector p = f.mul(C6).add(C5);
    p = p.fma(f, FloatVector.broadcast(F, C4));
    p = p.fma(f, FloatVector.broadcast(F, C3));
    p = p.fma(f, FloatVector.broadcast(F, C2));
    p = p.fma(f, FloatVector.broadcast(F, C1));
    p = p.fma(f, FloatVector.broadcast(F, 1f));
    return power(p, shifted, x);
  }

  /** The same by a polynomial of degree 2, relative error 1.7e-3 ({@link FastStep}). */
  static FloatVector coarse(FloatVector x) {
    FloatVector shifted = x.add(BIASED);
    FloatVector f = x.sub(shifted.sub(BIASED));
    FloatVector p = f.mul(FastStep.C2).add(FastStep.C1);
    p = p.fma(f, FloatVector.broadcast(F, FastStep.C0));
    return power(p, shifted, x);
  }

  private static FloatVector power(FloatVector p, FloatVector shifted, FloatVector x) {
    IntVector power = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    VectorMask<Float> underflow = x.compare(VectorOperators.LT, -126f);
    return p.mul(power.reinterpretAsFloats()).blend(0f, underflow);
  }
}
