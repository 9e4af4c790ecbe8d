package dev.octet.kernels;

import dev.octet.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Tiled attention with an online softmax: no N×N matrix is ever made. */
public interface AttentionKernels {
  /**
   * Why attention of a kind over such a cache is slower than these kernels are otherwise, for the
   * person who chose it; null if it is not.
   */
  default @Nullable String detour(AttentionKind kind, KvSpec cache) {
    return null;
  }

  /** An empty store for one sequence and layer, in this provider's block layout. */
  KvLayer newKvLayer(KvSpec spec);

  /**
   * Attention over a cache. Any kind works on any cache type. Where an INT8 kind's codes are not
   * the cache's, a copy is made, token by token, and kept; up to the first {@link KvSpec#BLOCK}
   * tokens, before which keys cannot be smoothed for good, such a kind is computed as {@link
   * AttentionKind#BF16}.
   *
   * @param q F32 [queries, heads, keyDim], after the rotary embedding
   * @param kv keys and values, the queries' own included
   * @param out F32 [queries, heads, valueDim]; 0 for a query that sees no key
   * @param lse F32 [heads, queries], natural logarithm of the sum of exponentials of the scaled
   *     scores, −∞ for a query that sees no key; or null
   */
  void attend(
      AttentionKind kind,
      AttentionSpec spec,
      Tensor q,
      KvLayer kv,
      Tensor out,
      @Nullable Tensor lse);

  /**
   * Attention over keys and values at hand, smoothed with the mean of all keys.
   *
   * @param keys F32 [keys, kvHeads, keyDim]
   * @param values F32 [keys, kvHeads, valueDim]
   */
  void attend(
      AttentionKind kind,
      AttentionSpec spec,
      Tensor q,
      Tensor keys,
      Tensor values,
      Tensor out,
      @Nullable Tensor lse);
}
