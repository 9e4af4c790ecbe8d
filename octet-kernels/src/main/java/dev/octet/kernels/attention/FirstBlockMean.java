package dev.octet.kernels.attention;

import dev.octet.kernels.KvSpec;

/**
 * k̄ of one head: stored with rotated keys, otherwise the mean of the first block's keys; 0 in the
 * channels that are not smoothed ({@link KvFormat#tail}).
 */
public final class FirstBlockMean {
  private FirstBlockMean() {}

  /** k̄ [keyDim]; zeros while nothing is stored. */
  public static float[] of(PagedKvLayer kv, int head) {
    int dim = kv.format().keyDim();
    float[] out = new float[dim];
    float[] stored = kv.mean();
    if (kv.format().rotatedKeys()) {
      if (stored != null) {
        System.arraycopy(stored, head * dim, out, 0, dim);
      }
      return out;
    }
    int tokens = Math.min(kv.length(), KvSpec.BLOCK);
    float[] fixed = kv.format().keyScales();
    float[] keys = new float[tokens * dim];
    for (int t = 0; t < tokens; t++) {
      float scale = kv.keyScale(head, t);
      for (int c = 0; c < dim; c++) {
        float channel = fixed == null ? scale : fixed[head * dim + c];
        keys[t * dim + c] = kv.keyCode(head, t, c) * channel;
      }
    }
    if (tokens == 0) {
      return out;
    }
    float[] mean = KeyMean.of(keys, tokens, dim);
    KeyMean.clearTail(mean, dim, dim - KvFormat.tail(dim, kv.format().valueDim()));
    return mean;
  }
}
