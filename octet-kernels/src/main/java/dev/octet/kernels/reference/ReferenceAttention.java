package dev.octet.kernels.reference;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.GivenKv;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention as the papers write it: one row at a time over tiles of 64 keys, sums in F64, rounding
 * only where the {@link AttentionKind} says so. One task a key/value head.
 */
public final class ReferenceAttention implements AttentionKernels {
  private final WorkPool pool;

  public ReferenceAttention(WorkPool pool) {
    this.pool = pool;
  }

  @Override
  public KvLayer newKvLayer(KvSpec spec) {
    return new PagedKvLayer(spec);
  }

  @Override
  public void attend(
      AttentionKind kind,
      AttentionSpec spec,
      Tensor q,
      KvLayer kv,
      Tensor out,
      @Nullable Tensor lse) {
    PagedKvLayer stored = PagedKvLayer.of(kv);
    AttentionShapes shapes = AttentionShapes.check(spec, q, stored, out, lse);
    AttentionKind computed = stored.computed(kind);
    pool.run(
        stored.spec().heads(),
        head -> new ReferenceHead(computed, spec, shapes, stored, head).run(q, out, lse));
    if (stored.offsets() != null) {
      stored.offsets().remove(spec, shapes, stored.length(), q, out, lse, pool);
    }
  }

  @Override
  public void attend(
      AttentionKind kind,
      AttentionSpec spec,
      Tensor q,
      Tensor keys,
      Tensor values,
      Tensor out,
      @Nullable Tensor lse) {
    try (PagedKvLayer stored = GivenKv.store(kind, keys, values)) {
      attend(kind, spec, q, stored, out, lse);
    }
  }
}
