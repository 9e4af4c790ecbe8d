package dev.octet.bench.conformance;

import java.nio.file.Path;
import java.util.SortedMap;

/**
 * Inputs of an attention kernel with output and log-sum-exp.
 *
 * @param expected {@code q} [heads, queries, dim], {@code k} and {@code v} [kvHeads, keys, dim],
 *     {@code o}, {@code lse}, and where they apply {@code mask} and {@code cu_seqlens_q/k}
 * @param scale factor on the scores
 * @param causal whether a query sees only keys up to its own position
 * @param offset key position of query 0; ignored where {@code packed}
 * @param packed several sequences one after the other, each with its queries at its end
 * @param masked whether {@code expected} holds a mask
 * @param tolerances limits by name: {@code f32}, {@code bf16}, {@code int8}
 */
record AttentionCase(
    String id,
    Path expected,
    Shape shape,
    float scale,
    boolean causal,
    int offset,
    boolean packed,
    boolean masked,
    SortedMap<String, Tolerance> tolerances)
    implements ConformanceCase {

  /** Sizes of the inputs. */
  record Shape(int heads, int kvHeads, int queries, int keys, int dim, int valueDim) {}

  @Override
  public String kind() {
    return "attention";
  }
}
