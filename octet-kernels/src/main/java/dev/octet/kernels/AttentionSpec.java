package dev.octet.kernels;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What a query may see. Query i of m stands at key position {@code offset + i}.
 *
 * @param heads query heads, a multiple of the key/value heads; head h reads kv head {@code
 *     h·kvHeads / heads}
 * @param scale factor on the scores, usually {@code 1/sqrt(headDim)}
 * @param causal whether a query sees only keys up to its own position
 * @param offset key position of the first query; for a cache, its length before the append
 * @param window if positive, a query sees only the {@code window} keys that end with its own
 *     (Mistral)
 * @param mask U8 [queries, keys], 1 = visible, on top of the above; or null
 */
public record AttentionSpec(
    int heads, float scale, boolean causal, int offset, int window, @Nullable Tensor mask) {
  public AttentionSpec {
    if (heads < 1 || window < 0) {
      throw new IllegalArgumentException("heads " + heads + ", window " + window);
    }
    if (window > 0 && !causal) {
      throw new IllegalArgumentException("a sliding window needs causal attention");
    }
    if (mask != null && (mask.dtype() != DType.U8 || mask.rank() != 2)) {
      throw new IllegalArgumentException("mask must be U8 [queries, keys], not " + mask);
    }
  }

  /** Causal attention of queries that stand at the end of what is stored. */
  public static AttentionSpec causal(int heads, float scale, int offset) {
    return new AttentionSpec(heads, scale, true, offset, 0, null);
  }

  /** Every query sees every key. */
  public static AttentionSpec full(int heads, float scale) {
    return new AttentionSpec(heads, scale, false, 0, 0, null);
  }
}
