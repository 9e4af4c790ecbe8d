package dev.octet.kernels.vector;

import static dev.octet.kernels.KvSpec.BLOCK;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.KvFormat;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.attention.Rotation;
import dev.octet.kernels.attention.RowQuant;
import dev.octet.tensor.Codecs;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Copies a cache into the codes of an INT8 kind, one block and head at a time. Keys lie
 * channel-major, so smoothing, rotating and quantizing 64 of them are loops over 64 neighbours that
 * the compiler vectorizes; the arithmetic is that of {@link Rotation} and {@link RowQuant}, code
 * for code.
 */
final class BlockRecoder {
  private final PagedKvLayer from;
  private final PagedKvLayer to;
  private final @Nullable Rotation rotation;
  private final float[] mean;
  private final int head;
  private final float[] x;
  private final float[] scale = new float[BLOCK];
  private final byte[] codes;

  private BlockRecoder(PagedKvLayer from, PagedKvLayer to, float @Nullable [] mean, int head) {
    this.from = from;
    this.to = to;
    this.rotation = mean == null ? null : Rotation.of(to.format().body());
    this.mean = mean == null ? new float[0] : mean;
    this.head = head;
    int widest = Math.max(from.format().keyDim(), from.format().valueDim());
    this.x = new float[widest * BLOCK];
    this.codes = new byte[widest * BLOCK];
  }

  /** What {@code kind} multiplies where the cache holds something else; keys rotated or not. */
  static KvFormat format(AttentionKind kind, KvFormat from, boolean rotated) {
    KvType values =
        switch (kind) {
          case INT8_BF16 -> KvType.BF16;
          case INT_FLASH_HALF -> KvType.F16;
          default -> KvType.INT8;
        };
    return new KvFormat(
        from.heads(), from.keyDim(), from.valueDim(), KvType.INT8, values, rotated, null, null);
  }

  /** A copy of {@code from} as INT-FlashAttention reads it, which the caller closes. */
  static PagedKvLayer intFlash(AttentionKind kind, PagedKvLayer from, WorkPool pool) {
    KvFormat format = format(kind, from.format(), false);
    if (kind == AttentionKind.INT_FLASH) {
      format = format.withValueScales(headScales(from, pool));
    }
    PagedKvLayer to = PagedKvLayer.blank(from.spec(), format, from.length());
    try {
      recode(from, to, 0, pool);
      return to;
    } catch (RuntimeException | Error e) {
      to.close();
      throw e;
    }
  }

  /** Brings a kept copy up to date: recodes what came since, and the block it fell into. */
  static void update(PagedKvLayer from, PagedKvLayer to, WorkPool pool) {
    int known = to.length();
    if (known == from.length()) {
      return;
    }
    to.extend(from.length());
    try {
      recode(from, to, known / BLOCK, pool);
    } catch (RuntimeException | Error e) {
      to.truncate(known);
      throw e;
    }
  }

  private static void recode(PagedKvLayer from, PagedKvLayer to, int firstBlock, WorkPool pool) {
    int blocks = from.blocks() - firstBlock;
    int tasks = from.format().heads() * blocks;
    int chunks = Math.min(tasks, 4 * pool.threads());
    pool.run(
        chunks,
        c -> {
          int begin = (int) ((long) tasks * c / chunks);
          int end = (int) ((long) tasks * (c + 1) / chunks);
          BlockRecoder recoder = null;
          for (int task = begin; task < end; task++) {
            int head = task / blocks;
            if (recoder == null || recoder.head != head) {
              recoder = new BlockRecoder(from, to, to.mean(), head);
            }
            recoder.keys(firstBlock + task % blocks);
            recoder.values(firstBlock + task % blocks);
          }
        });
  }

  /** INT-FlashAttention's scale of V: one a head, repeated for its channels. */
  private static float[] headScales(PagedKvLayer from, WorkPool pool) {
    int dim = from.format().valueDim();
    float[] scales = new float[from.format().heads() * dim];
    pool.run(
        from.format().heads(),
        head -> {
          float[] x = new float[dim * BLOCK];
          float max = 0;
          for (int block = 0; block < from.blocks(); block++) {
            StoredTile.values(from, head, block, x);
            max = Math.max(max, RowQuant.absMax(x, 0, from.tokensIn(block) * dim));
          }
          Arrays.fill(scales, head * dim, (head + 1) * dim, max / RowQuant.MAX);
        });
    return scales;
  }

  private void keys(int block) {
    KvFormat format = to.format();
    int body = format.body();
    StoredTile.keys(from, head, block, x);
    if (rotation != null) {
      smooth(body);
      rotate(rotation);
    }
    Arrays.fill(scale, 0);
    for (int c = 0; c < body; c++) {
      FloatRows.raise(scale, x, c * BLOCK, BLOCK);
    }
    for (int j = 0; j < BLOCK; j++) {
      scale[j] /= RowQuant.MAX;
    }
    for (int c = 0; c < body; c++) {
      FloatRows.quantize(x, c * BLOCK, BLOCK, scale, codes);
    }
    MemorySegment memory = to.block(block);
    MemorySegment.copy(codes, 0, memory, JAVA_BYTE, format.keyOffset(head), body * BLOCK);
    if (body < format.keyDim()) {
      tail(memory, body);
    }
    MemorySegment.copy(scale, 0, memory, JAVA_FLOAT_UNALIGNED, format.keyScaleOffset(head), BLOCK);
  }

  private void tail(MemorySegment memory, int body) {
    long base = to.format().tailOffset(head);
    for (int i = body * BLOCK; i < to.format().keyDim() * BLOCK; i++) {
      memory.set(JAVA_SHORT_UNALIGNED, base + 2L * (i - body * BLOCK), Codecs.floatToBf16(x[i]));
    }
    for (int j = 0; j < BLOCK; j++) {
      scale[j] = scale[j] == 0 ? 1 : scale[j];
    }
  }

  private void smooth(int body) {
    for (int c = 0; c < body; c++) {
      float m = mean[head * to.format().keyDim() + c];
      for (int j = c * BLOCK; j < (c + 1) * BLOCK; j++) {
        x[j] -= m;
      }
    }
  }

  /** {@link Rotation#apply} on 64 columns at once. */
  private void rotate(Rotation m) {
    for (int c = 0; c < m.dim(); c++) {
      FloatRows.scale(x, c * BLOCK, BLOCK, m.signOf(c));
    }
    for (int half = 1; half < m.block(); half *= 2) {
      for (int base = 0; base < m.dim(); base += 2 * half) {
        FloatRows.butterflies(x, base * BLOCK, half * BLOCK);
      }
    }
    FloatRows.scale(x, 0, m.dim() * BLOCK, m.norm());
  }

  private void values(int block) {
    KvFormat format = to.format();
    int dim = format.valueDim();
    int count = from.tokensIn(block);
    MemorySegment memory = to.block(block);
    StoredTile.values(from, head, block, x);
    long base = format.valueOffset(head);
    switch (format.valueType()) {
      case BF16 -> {
        for (int i = 0; i < count * dim; i++) {
          memory.set(JAVA_SHORT_UNALIGNED, base + 2L * i, Codecs.floatToBf16(x[i]));
        }
      }
      case F16 -> {
        for (int i = 0; i < count * dim; i++) {
          memory.set(JAVA_SHORT_UNALIGNED, base + 2L * i, Float.floatToFloat16(x[i]));
        }
      }
      default -> {
        float[] fixed = format.valueScales();
        for (int j = 0; j < count; j++) {
          int at = j * dim;
          float own = RowQuant.absMax(x, at, dim) / RowQuant.MAX;
          scale[j] = fixed == null ? own : fixed[head * dim];
          for (int i = at; i < at + dim; i++) {
            codes[i] = (byte) RowQuant.code(x[i], scale[j]);
          }
        }
        MemorySegment.copy(codes, 0, memory, JAVA_BYTE, base, count * dim);
        if (fixed == null) {
          long at = format.valueScaleOffset(head);
          MemorySegment.copy(scale, 0, memory, JAVA_FLOAT_UNALIGNED, at, count);
        }
      }
    }
  }
}
