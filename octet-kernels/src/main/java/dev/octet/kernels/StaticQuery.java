package dev.octet.kernels;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.tensor.Codecs;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Queries under calibrated scales, as MindIE's FAQuant has them: {@code q' = (clamp(rint(q / s +
 * o)) - o)·s}, after the rotary embedding. Rounding q before attention gives every kind of
 * attention the queries that the checkpoint was calibrated for; probabilities stay as the kind has
 * them.
 */
public final class StaticQuery {
  /** 1.5·2²³: adding and subtracting it rounds half to even, and unlike Math.rint vectorizes. */
  private static final float ROUND = 12582912f;

  private final KvType type;
  private final int heads;
  private final int dim;
  private final float[] scale;
  private final float[] offset;

  /**
   * @param type INT8 or FP8_E4M3, the latter without offsets
   * @param heads query heads
   * @param dim channels of a head
   * @param scale one, one per head, or one per head and channel
   * @param offset −128…127, in any of these lengths; empty: 0
   */
  public StaticQuery(KvType type, int heads, int dim, float[] scale, float[] offset) {
    if (type != KvType.INT8 && (type != KvType.FP8_E4M3 || offset.length > 0)) {
      throw new IllegalArgumentException("static query scales for " + type);
    }
    StaticKvScales.requirePositive(scale, "query");
    StaticKvScales.requireLength(scale.length, heads, dim);
    StaticKvScales.requireOffsets(offset, "query");
    StaticKvScales.requireLength(Math.max(1, offset.length), heads, dim);
    this.type = type;
    this.heads = heads;
    this.dim = dim;
    this.scale = expand(scale, 1);
    this.offset = expand(offset, 0);
  }

  private float[] expand(float[] numbers, float otherwise) {
    float[] all = new float[heads * dim];
    for (int i = 0; i < all.length; i++) {
      all[i] =
          numbers.length == 0
              ? otherwise
              : StaticKvScales.pick(numbers, i / dim, i % dim, heads, dim);
    }
    return all;
  }

  /**
   * Replaces queries by what their codes stand for. What is no number becomes NaN: clamped, an
   * infinity would pass for one.
   *
   * @param q F32 [tokens, heads, dim], contiguous
   */
  public void round(Tensor q) {
    if (q.dtype() != DType.F32 || !q.isContiguous() || !q.hasShape(q.dim(0), heads, dim)) {
      throw new IllegalArgumentException(
          "q must be contiguous F32 [tokens, %d, %d], not %s".formatted(heads, dim, q));
    }
    float[] row = new float[heads * dim];
    for (long t = 0; t < q.dim(0); t++) {
      long at = t * row.length * Float.BYTES;
      MemorySegment.copy(q.segment(), JAVA_FLOAT_UNALIGNED, at, row, 0, row.length);
      if (type == KvType.INT8) {
        int8(row);
      } else {
        fp8(row);
      }
      MemorySegment.copy(row, 0, q.segment(), JAVA_FLOAT_UNALIGNED, at, row.length);
    }
  }

  private void int8(float[] row) {
    for (int i = 0; i < row.length; i++) {
      float x = row[i];
      float clamped = Math.max(-128f, Math.min(127f, x / scale[i] + offset[i]));
      float code = clamped + ROUND - ROUND;
      row[i] = (code - offset[i]) * scale[i] + x * 0f;
    }
  }

  private void fp8(float[] row) {
    for (int i = 0; i < row.length; i++) {
      float x = row[i];
      row[i] = Codecs.e4m3ToFloat(Codecs.floatToE4m3(x / scale[i])) * scale[i] + x * 0f;
    }
  }
}
