package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The checked sizes of one attention call.
 *
 * @param queries query tokens
 * @param heads query heads
 * @param group query heads of one key/value head
 */
public record AttentionShapes(int queries, int heads, int group, int keyDim, int valueDim) {
  /**
   * Checks every shape.
   *
   * @throws IllegalArgumentException naming the tensor that does not fit
   */
  public static AttentionShapes check(
      AttentionSpec spec, Tensor q, PagedKvLayer kv, Tensor out, @Nullable Tensor lse) {
    KvSpec stored = kv.spec();
    int heads = spec.heads();
    if (heads % stored.heads() != 0) {
      throw new IllegalArgumentException(
          heads + " query heads are no multiple of " + stored.heads() + " key/value heads");
    }
    long queries = q.rank() == 3 ? q.dim(0) : -1;
    require("q", q, queries, heads, stored.keyDim());
    require("out", out, queries, heads, stored.valueDim());
    if (lse != null) {
      require("lse", lse, heads, queries);
    }
    Tensor mask = spec.mask();
    if (mask != null && !mask.hasShape(queries, kv.length())) {
      throw new IllegalArgumentException(
          "mask " + mask + " must be [" + queries + ", " + kv.length() + "]");
    }
    return new AttentionShapes(
        Math.toIntExact(queries),
        heads,
        heads / stored.heads(),
        stored.keyDim(),
        stored.valueDim());
  }

  private static void require(String name, Tensor tensor, long... shape) {
    if (tensor.dtype() != DType.F32 || !tensor.hasShape(shape) || !tensor.isContiguous()) {
      throw new IllegalArgumentException(
          name + " must be contiguous F32" + java.util.Arrays.toString(shape) + ", not " + tensor);
    }
  }
}
