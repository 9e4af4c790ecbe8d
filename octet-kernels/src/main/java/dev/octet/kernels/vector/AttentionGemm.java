package dev.octet.kernels.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/**
 * The two matrix products of attention on one tile: {@code C = A·B} with rows of A broadcast and
 * rows of B loaded, so neither needs a horizontal sum. Six rows by two vectors stay in registers:
 * twelve independent sums cover the latency of fused multiply-add and fit 16 registers.
 *
 * <p>INT8 codes run through the same F32 arithmetic and stay exact: {@code d·127²} is below 2²⁴ up to
 * d = 1040, {@code 64·255·127} is 2.07 million. The Vector API has no INT8 dot product; widening to
 * INT16 products and INT32 sums takes more instructions for each of them than F32 does (see
 * docs/performance.md).
 */
final class AttentionGemm {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int VL = F.length();

  /** Columns are computed in multiples of this; B and C must have room for them. */
  static final int PANEL = 2 * VL;

  private AttentionGemm() {}

  /** {@code n} rounded up to whole panels. */
  static int padded(int n) {
    return (n + PANEL - 1) / PANEL * PANEL;
  }

  /** A matrix in an array: row r begins at {@code at + r·stride}. */
  record Rows(float[] data, int at, int stride) {
    Rows from(int row) {
      return new Rows(data, at + row * stride, stride);
    }
  }

  /**
   * {@code C = A·B}, or {@code C = alpha_r·C + A·B·beta_r} where factors are given.
   *
   * @param a [rows, k]
   * @param b [k, n]
   * @param c [rows, padded(n)]
   * @param factors alpha and beta of each row, alternating, from row 0 of {@code a}; or null
   */
  static void multiply(
      Rows a, Rows b, Rows c, int rows, int k, int n, float @Nullable [] factors, int firstFactor) {
    int r = 0;
    for (; r + 6 <= rows; r += 6) {
      for (int j = 0; j < n; j += PANEL) {
        six(a, b, c, r, k, j, factors, firstFactor);
      }
    }
    for (; r + 2 <= rows; r += 2) {
      for (int j = 0; j < n; j += PANEL) {
        two(a, b, c, r, k, j, factors, firstFactor);
      }
    }
    if (r < rows) {
      int j = 0;
      for (; j + PANEL < n; j += 2 * PANEL) {
        oneWide(a, b, c, r, k, j, factors, firstFactor);
      }
      for (; j < n; j += PANEL) {
        one(a, b, c, r, k, j, factors, firstFactor);
      }
    }
  }

  private static void six(
      Rows ma, Rows mb, Rows mc, int r, int k, int j, float @Nullable [] factors, int first) {
    float[] a = ma.data;
    float[] b = mb.data;
    int ldb = mb.stride;
    int a0 = ma.at + r * ma.stride;
    int a1 = a0 + ma.stride;
    int a2 = a1 + ma.stride;
    int a3 = a2 + ma.stride;
    int a4 = a3 + ma.stride;
    int a5 = a4 + ma.stride;
    int bAt = mb.at + j;
    FloatVector c00 = FloatVector.zero(F);
    FloatVector c01 = c00;
    FloatVector c10 = c00;
    FloatVector c11 = c00;
    FloatVector c20 = c00;
    FloatVector c21 = c00;
    FloatVector c30 = c00;
    FloatVector c31 = c00;
    FloatVector c40 = c00;
    FloatVector c41 = c00;
    FloatVector c50 = c00;
    FloatVector c51 = c00;
    for (int i = 0; i < k; i++) {
      FloatVector b0 = FloatVector.fromArray(F, b, bAt);
      FloatVector b1 = FloatVector.fromArray(F, b, bAt + VL);
      bAt += ldb;
      FloatVector x = FloatVector.broadcast(F, a[a0 + i]);
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      x = FloatVector.broadcast(F, a[a1 + i]);
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      x = FloatVector.broadcast(F, a[a2 + i]);
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      x = FloatVector.broadcast(F, a[a3 + i]);
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      x = FloatVector.broadcast(F, a[a4 + i]);
      c40 = x.fma(b0, c40);
      c41 = x.fma(b1, c41);
      x = FloatVector.broadcast(F, a[a5 + i]);
      c50 = x.fma(b0, c50);
      c51 = x.fma(b1, c51);
    }
    store(mc, r, j, c00, c01, factors, first);
    store(mc, r + 1, j, c10, c11, factors, first);
    store(mc, r + 2, j, c20, c21, factors, first);
    store(mc, r + 3, j, c30, c31, factors, first);
    store(mc, r + 4, j, c40, c41, factors, first);
    store(mc, r + 5, j, c50, c51, factors, first);
  }

  private static void two(
      Rows ma, Rows mb, Rows mc, int r, int k, int j, float @Nullable [] factors, int first) {
    float[] a = ma.data;
    float[] b = mb.data;
    int a0 = ma.at + r * ma.stride;
    int a1 = a0 + ma.stride;
    int bAt = mb.at + j;
    FloatVector c00 = FloatVector.zero(F);
    FloatVector c01 = c00;
    FloatVector c10 = c00;
    FloatVector c11 = c00;
    for (int i = 0; i < k; i++) {
      FloatVector b0 = FloatVector.fromArray(F, b, bAt);
      FloatVector b1 = FloatVector.fromArray(F, b, bAt + VL);
      bAt += mb.stride;
      FloatVector x = FloatVector.broadcast(F, a[a0 + i]);
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      x = FloatVector.broadcast(F, a[a1 + i]);
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
    }
    store(mc, r, j, c00, c01, factors, first);
    store(mc, r + 1, j, c10, c11, factors, first);
  }

  private static void oneWide(
      Rows ma, Rows mb, Rows mc, int r, int k, int j, float @Nullable [] factors, int first) {
    float[] a = ma.data;
    float[] b = mb.data;
    int a0 = ma.at + r * ma.stride;
    int bAt = mb.at + j;
    FloatVector c0 = FloatVector.zero(F);
    FloatVector c1 = c0;
    FloatVector c2 = c0;
    FloatVector c3 = c0;
    for (int i = 0; i < k; i++) {
      FloatVector x = FloatVector.broadcast(F, a[a0 + i]);
      c0 = x.fma(FloatVector.fromArray(F, b, bAt), c0);
      c1 = x.fma(FloatVector.fromArray(F, b, bAt + VL), c1);
      c2 = x.fma(FloatVector.fromArray(F, b, bAt + 2 * VL), c2);
      c3 = x.fma(FloatVector.fromArray(F, b, bAt + 3 * VL), c3);
      bAt += mb.stride;
    }
    store(mc, r, j, c0, c1, factors, first);
    store(mc, r, j + PANEL, c2, c3, factors, first);
  }

  private static void one(
      Rows ma, Rows mb, Rows mc, int r, int k, int j, float @Nullable [] factors, int first) {
    float[] a = ma.data;
    float[] b = mb.data;
    int a0 = ma.at + r * ma.stride;
    int bAt = mb.at + j;
    FloatVector c0 = FloatVector.zero(F);
    FloatVector c1 = c0;
    for (int i = 0; i < k; i++) {
      FloatVector x = FloatVector.broadcast(F, a[a0 + i]);
      c0 = x.fma(FloatVector.fromArray(F, b, bAt), c0);
      c1 = x.fma(FloatVector.fromArray(F, b, bAt + VL), c1);
      bAt += mb.stride;
    }
    store(mc, r, j, c0, c1, factors, first);
  }

  private static void store(
      Rows c, int r, int j, FloatVector v0, FloatVector v1, float @Nullable [] factors, int first) {
    float[] data = c.data;
    int at = c.at + r * c.stride + j;
    if (factors == null) {
      v0.intoArray(data, at);
      v1.intoArray(data, at + VL);
      return;
    }
    float alpha = factors[first + 2 * r];
    float beta = factors[first + 2 * r + 1];
    FloatVector old0 = FloatVector.fromArray(F, data, at).mul(alpha);
    FloatVector old1 = FloatVector.fromArray(F, data, at + VL).mul(alpha);
    v0.fma(FloatVector.broadcast(F, beta), old0).intoArray(data, at);
    v1.fma(FloatVector.broadcast(F, beta), old1).intoArray(data, at + VL);
  }
}
