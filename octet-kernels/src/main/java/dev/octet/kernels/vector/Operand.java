package dev.octet.kernels.vector;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.FirstBlockMean;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.Rotation;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values in the codes a kind multiplies, and how queries must be turned to meet them. What
 * the cache holds is used as it is where it can be; otherwise a copy in the right codes is made,
 * once for all queries, and kept where it can be.
 *
 * @param kv what is read
 * @param copied whether {@code kv} is a copy that {@link #close} frees
 * @param rotation how queries are rotated; null if they are not
 * @param mean k̄ of every head [heads·keyDim], with a rotation
 */
public record Operand(
    PagedKvLayer kv, boolean copied, @Nullable Rotation rotation, float @Nullable [] mean)
    implements AutoCloseable {

  public static Operand of(AttentionKind kind, PagedKvLayer kv, WorkPool pool) {
    KvFormat format = kv.format();
    return switch (kind) {
      case F32, BF16 -> asStored(kv);
      case INT8, INT8_FAST ->
          format.keyType().integer() && format.valueType().integer()
              ? asStored(kv)
              : smoothed(kind, kv, pool);
      case INT8_BF16 -> format.keyType().integer() ? asStored(kv) : smoothed(kind, kv, pool);
      case INT_FLASH, INT_FLASH_HALF -> {
        Operand stored = asStored(kv);
        PagedKvLayer copy = BlockRecoder.intFlash(kind, kv, pool);
        yield new Operand(copy, true, stored.rotation, stored.mean);
      }
    };
  }

  private static Operand asStored(PagedKvLayer kv) {
    Rotation rotation = kv.rotation();
    if (rotation == null) {
      return new Operand(kv, false, null, null);
    }
    float[] mean = kv.mean();
    return new Operand(kv, false, rotation, mean == null ? means(kv) : mean);
  }

  /** In INT8, smoothed and rotated, kept beside the cache: k̄, the first block's, is final. */
  private static Operand smoothed(AttentionKind kind, PagedKvLayer kv, WorkPool pool) {
    KvFormat format = BlockRecoder.format(kind, kv.format(), true);
    PagedKvLayer kept = kv.recoded(format);
    if (kept == null) {
      kept = kv.keepRecoded(format, means(kv));
    }
    BlockRecoder.update(kv, kept, pool);
    return new Operand(kept, false, kept.rotation(), kept.mean());
  }

  private static float[] means(PagedKvLayer kv) {
    int dim = kv.format().keyDim();
    float[] all = new float[kv.format().heads() * dim];
    for (int h = 0; h < kv.format().heads(); h++) {
      System.arraycopy(FirstBlockMean.of(kv, h), 0, all, h * dim, dim);
    }
    return all;
  }

  @Override
  public void close() {
    if (copied) {
      kv.close();
    }
  }
}
