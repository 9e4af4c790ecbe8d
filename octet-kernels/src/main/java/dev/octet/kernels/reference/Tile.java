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

  /** The score of key j before σ: scaled codes, exact for integers, plus unscaled channels. */
  double score(int j, QueryRow query) {
    double tail = dot(j, query.codes(), query.body(), query.codes().length);
    return dot(j, query.codes(), 0, query.body()) * query.scale() * scales[j] + tail;
  }

  private double dot(int j, float[] x, int from, int to) {
    double sum = 0;
    for (int c = from; c < to; c++) {
      sum += (double) rows[j][c] * x[c];
    }
    return sum;
  }
}
