package dev.octet.kernels.reference;

import dev.octet.kernels.KvSpec;

/**
 * Up to 64 keys or values of one head: rows of numbers (or integer codes), a scale for each.
 *
 * @param rows [count, dim]
 */
record Tile(float[][] rows, float[] scales) {
  static final int SIZE = KvSpec.BLOCK;

  int count() {
    return rows.length;
  }

  float scale(int j) {
    return scales[j];
  }

  /** Row j times {@code x}; exact for integer codes. */
  double dot(int j, float[] x) {
    double sum = 0;
    for (int c = 0; c < x.length; c++) {
      sum += (double) rows[j][c] * x[c];
    }
    return sum;
  }
}
