package dev.octet.kernels.vector;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.FirstBlockMean;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.Rotation;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values in the codes a kind multiplies, and how queries must be turned to meet them. What
 * the cache holds is used as it is where it can be; otherwise a copy in the right codes is made,
 * once for all queries of the call.
 *
 * @param kv what is read
 * @param copied whether {@code kv} is a copy that {@link #close} frees
 * @param rotation how queries are rotated; null if they are not
 * @param mean k̄ of every head [heads·keyDim], with a rotation
 */
record Operand(
    PagedKvLayer kv, boolean copied, @Nullable Rotation rotation, float @Nullable [] mean)
    implements AutoCloseable {

  static Operand of(AttentionKind kind, PagedKvLayer kv, WorkPool pool) {
    KvFormat format = kv.format();
    boolean smooth = kind == AttentionKind.INT8 || kind == AttentionKind.INT8_BF16;
    boolean asStored =
        switch (kind) {
          case F32, BF16 -> true;
          case INT8 -> format.keyType() == KvType.INT8 && format.valueType() == KvType.INT8;
          case INT8_BF16 -> format.keyType() == KvType.INT8;
          case INT_FLASH, INT_FLASH_HALF -> false;
        };
    boolean rotateHere = smooth && !asStored;
    if (asStored && !format.rotatedKeys()) {
      return new Operand(kv, false, null, null);
    }
    boolean rotated = rotateHere || format.rotatedKeys();
    float[] mean = rotated ? means(kv) : null;
    if (asStored) {
      return new Operand(kv, false, Rotation.of(format.body()), mean);
    }
    PagedKvLayer copy = BlockRecoder.copy(kind, kv, rotateHere ? mean : null, pool);
    int body = rotateHere ? copy.format().body() : format.body();
    return new Operand(copy, true, rotated ? Rotation.of(body) : null, mean);
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
