package dev.octet.kernels.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The two matrix products of attention on one tile: {@code C = A·B} with rows of A broadcast and
 * rows of B loaded, so neither needs a horizontal sum. Six rows by two vectors stay in registers:
 * twelve independent sums cover the latency of fused multiply-add and fit 16 registers.
 *
 * <p>INT8 codes run through the same F32 arithmetic and stay exact: {@code d·127²} is below 2²⁴ up
 * to d = 1040, {@code 64·255·127} is 2.07 million. The Vector API has no INT8 dot product; widening
 * to INT16 products and INT32 sums takes more instructions for each of them than F32 does (see
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
   * {@code C = A·B}.
   *
   * @param a [rows, k]
   * @param b [k, n]
   * @param c [rows, padded(n)]
   */
  static void multiply(Rows a, Rows b, Rows c, int rows, int k, int n) {
    int r = 0;
    for (; r + 6 <= rows; r += 6) {
      for (int j = 0; j < n; j += PANEL) {
        six(a, b, c, r, k, j);
      }
    }
    for (; r + 2 <= rows; r += 2) {
      for (int j = 0; j < n; j += PANEL) {
        two(a, b, c, r, k, j);
      }
    }
    if (r < rows) {
      int j = 0;
      for (; j + PANEL < n; j += 2 * PANEL) {
        oneWide(a, b, c, r, k, j);
      }
      for (; j < n; j += PANEL) {
        one(a, b, c, r, k, j);
      }
    }
  }

  private static void six(Rows ma, Rows mb, Rows mc, int r, int k, int j) {
    float[] a = ma.data;
    float[] b = mb.data;
    float[] c = mc.data;
    int cAt = mc.at + r * mc.stride + j;
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
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + VL);
    c10.intoArray(c, cAt + mc.stride);
    c11.intoArray(c, cAt + mc.stride + VL);
    c20.intoArray(c, cAt + 2 * mc.stride);
    c21.intoArray(c, cAt + 2 * mc.stride + VL);
    c30.intoArray(c, cAt + 3 * mc.stride);
    c31.intoArray(c, cAt + 3 * mc.stride + VL);
    c40.intoArray(c, cAt + 4 * mc.stride);
    c41.intoArray(c, cAt + 4 * mc.stride + VL);
    c50.intoArray(c, cAt + 5 * mc.stride);
    c51.intoArray(c, cAt + 5 * mc.stride + VL);
  }

  private static void two(Rows ma, Rows mb, Rows mc, int r, int k, int j) {
    float[] a = ma.data;
    float[] b = mb.data;
    float[] c = mc.data;
    int cAt = mc.at + r * mc.stride + j;
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
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + VL);
    c10.intoArray(c, cAt + mc.stride);
    c11.intoArray(c, cAt + mc.stride + VL);
  }

  private static void oneWide(Rows ma, Rows mb, Rows mc, int r, int k, int j) {
    float[] a = ma.data;
    float[] b = mb.data;
    float[] c = mc.data;
    int cAt = mc.at + r * mc.stride + j;
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
    c0.intoArray(c, cAt);
    c1.intoArray(c, cAt + VL);
    c2.intoArray(c, cAt + PANEL);
    c3.intoArray(c, cAt + PANEL + VL);
  }

  private static void one(Rows ma, Rows mb, Rows mc, int r, int k, int j) {
    float[] a = ma.data;
    float[] b = mb.data;
    float[] c = mc.data;
    int cAt = mc.at + r * mc.stride + j;
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
    c0.intoArray(c, cAt);
    c1.intoArray(c, cAt + VL);
  }

  /**
   * {@code O_r = alpha_r·O_r + beta_r·C_r}: rescales what is there and adds a tile's product.
   *
   * @param c [rows, width], of whole panels like {@code o}
   * @param factors alpha and beta of each row, alternating, row 0 at {@code first}
   */
  static void accumulate(Rows o, Rows c, int rows, int width, float[] factors, int first) {
    for (int r = 0; r < rows; r++) {
      FloatVector alpha = FloatVector.broadcast(F, factors[first + 2 * r]);
      FloatVector beta = FloatVector.broadcast(F, factors[first + 2 * r + 1]);
      int oAt = o.at + r * o.stride;
      int cAt = c.at + r * c.stride;
      for (int j = 0; j < width; j += VL) {
        FloatVector old = FloatVector.fromArray(F, o.data, oAt + j).mul(alpha);
        FloatVector.fromArray(F, c.data, cAt + j).fma(beta, old).intoArray(o.data, oAt + j);
      }
    }
  }
}
