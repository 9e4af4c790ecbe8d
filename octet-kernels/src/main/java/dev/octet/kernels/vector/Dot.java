package dev.octet.kernels.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Register-blocked dot products over F32 panels: the inner loops of every linear layer. Lengths are
 * multiples of the vector length; panels are padded with zeros.
 *
 * <p>Integer codes go through the same loops as F32: C2 has no integer dot product for the Vector
 * API, and a fused multiply-add on integers is exact as long as the sum stays below 2²⁴.
 */
final class Dot {
  static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  static final int LANES = F.length();

  private Dot() {}

  /** {@code out[4·i + j] = w row i · x row j} for four rows of each. */
  static void block4x4(
      float[] w,
      int wFrom,
      int wStride,
      float[] x,
      int xFrom,
      int xStride,
      int length,
      float[] out) {
    FloatVector a00 = FloatVector.zero(F);
    FloatVector a01 = a00;
    FloatVector a02 = a00;
    FloatVector a03 = a00;
    FloatVector a10 = a00;
    FloatVector a11 = a00;
    FloatVector a12 = a00;
    FloatVector a13 = a00;
    FloatVector a20 = a00;
    FloatVector a21 = a00;
    FloatVector a22 = a00;
    FloatVector a23 = a00;
    FloatVector a30 = a00;
    FloatVector a31 = a00;
    FloatVector a32 = a00;
    FloatVector a33 = a00;
    for (int i = 0; i < length; i += LANES) {
      FloatVector x0 = FloatVector.fromArray(F, x, xFrom + i);
      FloatVector x1 = FloatVector.fromArray(F, x, xFrom + xStride + i);
      FloatVector x2 = FloatVector.fromArray(F, x, xFrom + 2 * xStride + i);
      FloatVector x3 = FloatVector.fromArray(F, x, xFrom + 3 * xStride + i);
      FloatVector v = FloatVector.fromArray(F, w, wFrom + i);
      a00 = v.fma(x0, a00);
      a01 = v.fma(x1, a01);
      a02 = v.fma(x2, a02);
      a03 = v.fma(x3, a03);
      v = FloatVector.fromArray(F, w, wFrom + wStride + i);
      a10 = v.fma(x0, a10);
      a11 = v.fma(x1, a11);
      a12 = v.fma(x2, a12);
      a13 = v.fma(x3, a13);
      v = FloatVector.fromArray(F, w, wFrom + 2 * wStride + i);
      a20 = v.fma(x0, a20);
      a21 = v.fma(x1, a21);
      a22 = v.fma(x2, a22);
      a23 = v.fma(x3, a23);
      v = FloatVector.fromArray(F, w, wFrom + 3 * wStride + i);
      a30 = v.fma(x0, a30);
      a31 = v.fma(x1, a31);
      a32 = v.fma(x2, a32);
      a33 = v.fma(x3, a33);
    }
    out[0] = Lanes.sum(a00);
    out[1] = Lanes.sum(a01);
    out[2] = Lanes.sum(a02);
    out[3] = Lanes.sum(a03);
    out[4] = Lanes.sum(a10);
    out[5] = Lanes.sum(a11);
    out[6] = Lanes.sum(a12);
    out[7] = Lanes.sum(a13);
    out[8] = Lanes.sum(a20);
    out[9] = Lanes.sum(a21);
    out[10] = Lanes.sum(a22);
    out[11] = Lanes.sum(a23);
    out[12] = Lanes.sum(a30);
    out[13] = Lanes.sum(a31);
    out[14] = Lanes.sum(a32);
    out[15] = Lanes.sum(a33);
  }

  /** {@code out[4·i] = w row i · x} for four rows of w. */
  static void block4x1(
      float[] w, int wFrom, int wStride, float[] x, int xFrom, int length, float[] out) {
    FloatVector a0 = FloatVector.zero(F);
    FloatVector a1 = a0;
    FloatVector a2 = a0;
    FloatVector a3 = a0;
    for (int i = 0; i < length; i += LANES) {
      FloatVector v = FloatVector.fromArray(F, x, xFrom + i);
      a0 = v.fma(FloatVector.fromArray(F, w, wFrom + i), a0);
      a1 = v.fma(FloatVector.fromArray(F, w, wFrom + wStride + i), a1);
      a2 = v.fma(FloatVector.fromArray(F, w, wFrom + 2 * wStride + i), a2);
      a3 = v.fma(FloatVector.fromArray(F, w, wFrom + 3 * wStride + i), a3);
    }
    out[0] = Lanes.sum(a0);
    out[4] = Lanes.sum(a1);
    out[8] = Lanes.sum(a2);
    out[12] = Lanes.sum(a3);
  }
}
