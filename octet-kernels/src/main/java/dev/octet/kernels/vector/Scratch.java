package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;

/** A thread's working arrays, kept between calls: a decode step is too short to allocate them. */
final class Scratch {
  private float[] queries = new float[0];
  private float[] keys = new float[0];
  private float[] values = new float[0];
  private float[] scores = new float[0];
  private float[] products = new float[0];
  private float[] output = new float[0];

  /** [rows, keyDim]. */
  float[] queries(int rows, int keyDim) {
    queries = atLeast(queries, rows * keyDim);
    return queries;
  }

  /** [keyDim, 64]. */
  float[] keys(int keyDim) {
    keys = atLeast(keys, keyDim * BLOCK);
    return keys;
  }

  /** [64, valueDim] and a panel more, since the last row is read in whole panels. */
  float[] values(int valueDim) {
    values = atLeast(values, valueDim * BLOCK + AttentionGemm.PANEL);
    return values;
  }

  /** [rows, 64]. */
  float[] scores(int rows) {
    scores = atLeast(scores, rows * BLOCK);
    return scores;
  }

  /** [rows, stride]: a tile's product. */
  float[] products(int rows, int stride) {
    products = atLeast(products, rows * stride);
    return products;
  }

  /** [rows, stride]. */
  float[] output(int rows, int stride) {
    output = atLeast(output, rows * stride);
    return output;
  }

  private static float[] atLeast(float[] array, int size) {
    return array.length >= size ? array : new float[size];
  }
}
