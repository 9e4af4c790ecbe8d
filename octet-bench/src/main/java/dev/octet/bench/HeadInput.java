package dev.octet.bench;

import java.util.function.UnaryOperator;

/**
 * Queries [m, d], keys and values [n, d] of one head.
 *
 * @param m queries
 * @param n keys
 */
record HeadInput(int m, int n, int d, float[] q, float[] k, float[] v) {
  /** The same with each part encoded and decoded. */
  HeadInput coded(UnaryOperator<float[]> codec) {
    return new HeadInput(m, n, d, codec.apply(q), codec.apply(k), codec.apply(v));
  }
}
