package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Offsets of an INT8 cache with static scales, which no kernel needs to know. A code c stands for
 * {@code (c − o)·s}; kernels read {@code c·s} instead, which is every key, and every value, plus
 * the constant vector {@code o·s}. Softmax does not see a constant in the keys, and one in the
 * values comes out as itself: {@link #remove} takes it from the result.
 */
public final class StaticOffsets {
  private final float[] key;
  private final float[] value;
  private final float[] keyShift;
  private final float[] valueShift;

  private StaticOffsets(StaticKvScales scales, KvSpec spec) {
    int keys = spec.heads() * spec.keyDim();
    int values = spec.heads() * spec.valueDim();
    this.key = new float[keys];
    this.keyShift = new float[keys];
    for (int i = 0; i < keys; i++) {
      int h = i / spec.keyDim();
      int c = i % spec.keyDim();
      key[i] = scales.keyOffset(h, c, spec.heads(), spec.keyDim());
      keyShift[i] = key[i] * scales.key(h, c, spec.heads(), spec.keyDim());
    }
    this.value = new float[values];
    this.valueShift = new float[values];
    for (int i = 0; i < values; i++) {
      int h = i / spec.valueDim();
      int c = i % spec.valueDim();
      value[i] = scales.valueOffset(h, c, spec.heads(), spec.valueDim());
      valueShift[i] = value[i] * scales.value(h, c, spec.heads(), spec.valueDim());
    }
  }

  /** Those of a cache; null if it has none. */
  static @Nullable StaticOffsets of(KvSpec spec) {
    StaticKvScales scales = spec.staticScales();
    return scales != null && spec.type() == KvType.INT8 && scales.hasOffsets()
        ? new StaticOffsets(scales, spec)
        : null;
  }

  /** o of keys [heads·keyDim]. */
  public float[] keys() {
    return key;
  }

  /** o of values [heads·valueDim]. */
  public float[] values() {
    return value;
  }

  /** o·s of keys [heads·keyDim]. */
  public float[] keyShifts() {
    return keyShift;
  }

  /** o·s of values [heads·valueDim]. */
  public float[] valueShifts() {
    return valueShift;
  }

  /**
   * Turns attention over shifted keys and values into attention over what they stand for.
   *
   * @param keys how many there are
   * @param pool what queries are divided among
   */
  public void remove(
      AttentionSpec spec,
      AttentionShapes shapes,
      int keys,
      Tensor q,
      Tensor out,
      @Nullable Tensor lse,
      WorkPool pool) {
    Visibility visibility = new Visibility(spec, keys);
    pool.run(
        shapes.queries(),
        i -> {
          if (seesAny(visibility, i)) {
            removeFrom(i, spec, shapes, q, out, lse);
          }
        });
  }

  private void removeFrom(
      int query,
      AttentionSpec spec,
      AttentionShapes shapes,
      Tensor q,
      Tensor out,
      @Nullable Tensor lse) {
    for (int h = 0; h < shapes.heads(); h++) {
      int kvHead = h / shapes.group();
      long row = (long) query * shapes.heads() + h;
      subtract(out.segment(), row * shapes.valueDim(), kvHead * shapes.valueDim(), shapes);
      if (lse != null) {
        double shift = dot(q, row * shapes.keyDim(), kvHead * shapes.keyDim(), shapes.keyDim());
        long at = (long) h * shapes.queries() + query;
        lse.setFloat(at, (float) (lse.getFloat(at) - shift * spec.scale()));
      }
    }
  }

  private static boolean seesAny(Visibility visibility, int query) {
    for (int key = visibility.first(query); key < visibility.end(query); key++) {
      if (visibility.unmasked(query, key)) {
        return true;
      }
    }
    return false;
  }

  private void subtract(MemorySegment out, long at, int from, AttentionShapes shapes) {
    for (int c = 0; c < shapes.valueDim(); c++) {
      long byteOffset = (at + c) * Float.BYTES;
      float shifted = out.get(JAVA_FLOAT_UNALIGNED, byteOffset);
      out.set(JAVA_FLOAT_UNALIGNED, byteOffset, shifted - valueShift[from + c]);
    }
  }

  private double dot(Tensor q, long at, int from, int dim) {
    double sum = 0;
    for (int c = 0; c < dim; c++) {
      sum += (double) q.getFloat(at + c) * keyShift[from + c];
    }
    return sum;
  }
}
