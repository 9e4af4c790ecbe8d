package dev.octet.bench.peer;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;

/**
 * Attention of the last queries of a sequence over all of it, scores scaled by {@code 1/√d}.
 *
 * @param q F32 [queries, heads, d], contiguous
 * @param k F32 [keys, kvHeads, d], contiguous
 * @param v F32 [keys, kvHeads, d], contiguous
 * @param causal whether query i sees only keys up to {@code keys − queries + i}
 */
public record AttentionTask(Tensor q, Tensor k, Tensor v, boolean causal) {
  public AttentionTask {
    for (Tensor t : new Tensor[] {q, k, v}) {
      if (t.dtype() != DType.F32 || t.rank() != 3) {
        throw new IllegalArgumentException(t + " is not F32 [rows, heads, d]");
      }
    }
    if (!v.hasShape(k.shape()) || q.dim(2) != k.dim(2) || q.dim(1) % k.dim(1) != 0) {
      throw new IllegalArgumentException("q " + q + ", k " + k + ", v " + v);
    }
    if (causal && q.dim(0) > k.dim(0)) {
      throw new IllegalArgumentException("more queries than keys: " + q + ", " + k);
    }
  }

  public int queries() {
    return (int) q.dim(0);
  }

  public int keys() {
    return (int) k.dim(0);
  }

  public int heads() {
    return (int) q.dim(1);
  }

  public int kvHeads() {
    return (int) k.dim(1);
  }

  /** Values of a head. */
  public int d() {
    return (int) q.dim(2);
  }
}
