package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.AttentionShapes;
import dev.octet.kernels.attention.GivenKv;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.PartialAttention;
import dev.octet.kernels.attention.Visibility;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Attention with the Vector API: tiles of 64 keys are widened to F32 once for up to {@value
 * #ROW_BLOCK} rows (queries of all heads that share the keys), scores and outputs are
 * register-blocked products. Work is split by key/value head and row block and, where that makes
 * few tasks (decoding), by keys as well. Where, depends on the shapes alone: sums are rounded where
 * they are split, and the same seed must give the same text on any number of threads. That number
 * only says how many parts a task takes.
 */
public final class VectorAttention implements AttentionKernels {
  private static final int ROW_BLOCK = 96;

  /** Keys are split until there are so many parts of work, which keeps as many threads busy … */
  private static final int PARTS = 32;

  /** … but no part is made shorter than this. */
  private static final int LEAST_BLOCKS = 8;

  private final WorkPool pool;
  private final ThreadLocal<Scratch> scratch = ThreadLocal.withInitial(Scratch::new);

  public VectorAttention(WorkPool pool) {
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
    try (Operand operand = Operand.of(computed, stored, pool)) {
      run(computed, spec, shapes, operand, q, out, lse);
    }
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

  private void run(
      AttentionKind kind,
      AttentionSpec spec,
      AttentionShapes shapes,
      Operand operand,
      Tensor q,
      Tensor out,
      @Nullable Tensor lse) {
    int heads = operand.kv().spec().heads();
    int rows = shapes.queries() * shapes.group();
    if (rows == 0) {
      return;
    }
    int rowBlocks = Math.ceilDiv(rows, ROW_BLOCK);
    Visibility visibility = new Visibility(spec, operand.kv().length());
    int begin = visibility.first(0) / BLOCK;
    int blocks = Math.ceilDiv(visibility.end(shapes.queries() - 1), BLOCK) - begin;
    int splits = splits(kind, heads * rowBlocks, blocks);
    int shares = Math.clamp(2 * pool.threads() / (heads * rowBlocks), 1, splits);
    PartialAttention[] parts = new PartialAttention[heads * splits * rows];
    // Later rows see more keys: hand them out first.
    pool.run(
        heads * rowBlocks * shares,
        task -> {
          int share = task % shares;
          int head = task / shares % heads;
          int first = (rowBlocks - 1 - task / shares / heads) * ROW_BLOCK;
          int count = Math.min(ROW_BLOCK, rows - first);
          AttentionTask work =
              new AttentionTask(kind, spec, shapes, operand, head, first, count, scratch.get());
          work.load(q);
          int end = splits * (share + 1) / shares;
          for (int split = splits * share / shares; split < end; split++) {
            int from = begin + blocks * split / splits;
            int to = begin + blocks * (split + 1) / splits;
            work.run(from, to, parts, (head * splits + split) * rows + first);
          }
          if (splits == 1) {
            store(shapes, head, first, count, parts, 1, rows, out, lse);
          }
        });
    if (splits > 1) {
      for (int head = 0; head < heads; head++) {
        store(shapes, head, 0, rows, parts, splits, rows, out, lse);
      }
    }
  }

  /** INT-FlashAttention rounds P under the running maximum, which a split would change. */
  private static int splits(AttentionKind kind, int tasks, int blocks) {
    int wanted = kind == AttentionKind.INT_FLASH ? 1 : Math.max(1, PARTS / tasks);
    return Math.clamp(blocks / LEAST_BLOCKS, 1, wanted);
  }

  private static void store(
      AttentionShapes shapes,
      int head,
      int first,
      int count,
      PartialAttention[] parts,
      int splits,
      int rows,
      Tensor out,
      @Nullable Tensor lse) {
    int dim = shapes.valueDim();
    for (int r = first; r < first + count; r++) {
      PartialAttention whole = parts[head * splits * rows + r];
      for (int s = 1; s < splits; s++) {
        whole = whole.merge(parts[(head * splits + s) * rows + r]);
      }
      long at = QueryTile.index(shapes, head, r) * dim;
      MemorySegment.copy(whole.output(), 0, out.segment(), JAVA_FLOAT_UNALIGNED, at * 4, dim);
      if (lse != null) {
        long queryHead = (long) head * shapes.group() + r % shapes.group();
        lse.setFloat(queryHead * shapes.queries() + r / shapes.group(), whole.lse());
      }
    }
  }
}
