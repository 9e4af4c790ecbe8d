package dev.octet.kernels;

/**
 * Calibrated scales of a KV cache: {@code x' = (clamp(rint(x / s + o)) - o)·s}, keys after the
 * rotation. Offsets are for INT8 caches only.
 *
 * @param key one scale, one per head, or one per head and channel [heads·dim]
 * @param value the same for values
 * @param keyOffset o of keys, −128…127, in any of these lengths; empty: 0
 * @param valueOffset the same for values
 */
public record StaticKvScales(float[] key, float[] value, float[] keyOffset, float[] valueOffset) {
  private static final float[] NONE = {};

  public StaticKvScales {
    requirePositive(key, "key");
    requirePositive(value, "value");
    requireOffsets(keyOffset, "key");
    requireOffsets(valueOffset, "value");
  }

  /** Without offsets. */
  public StaticKvScales(float[] key, float[] value) {
    this(key, value, NONE, NONE);
  }

  void requireFits(int heads, int keyDim, int valueDim) {
    requireLength(key.length, heads, keyDim);
    requireLength(value.length, heads, valueDim);
    if (hasOffsets()) {
      requireLength(Math.max(1, keyOffset.length), heads, keyDim);
      requireLength(Math.max(1, valueOffset.length), heads, valueDim);
    }
  }

  /** Whether any offset differs from 0. */
  public boolean hasOffsets() {
    return anyNonZero(keyOffset) || anyNonZero(valueOffset);
  }

  /** Scale of a key's channel. */
  public float key(int head, int channel, int heads, int dim) {
    return pick(key, head, channel, heads, dim);
  }

  /** Scale of a value's channel. */
  public float value(int head, int channel, int heads, int dim) {
    return pick(value, head, channel, heads, dim);
  }

  /** Offset of a key's channel. */
  public float keyOffset(int head, int channel, int heads, int dim) {
    return keyOffset.length == 0 ? 0 : pick(keyOffset, head, channel, heads, dim);
  }

  /** Offset of a value's channel. */
  public float valueOffset(int head, int channel, int heads, int dim) {
    return valueOffset.length == 0 ? 0 : pick(valueOffset, head, channel, heads, dim);
  }

  /** The number for one channel out of one, one a head, or one a head and channel. */
  static float pick(float[] numbers, int head, int channel, int heads, int dim) {
    if (numbers.length == 1) {
      return numbers[0];
    }
    return numbers.length == heads ? numbers[head] : numbers[head * dim + channel];
  }

  static void requireLength(int length, int heads, int dim) {
    if (length != 1 && length != heads && length != heads * dim) {
      throw new IllegalArgumentException(
          length + " static scales for " + heads + " heads of " + dim + " channels");
    }
  }

  static void requirePositive(float[] scales, String what) {
    for (float s : scales) {
      if (!(s > 0) || Float.isInfinite(s)) {
        throw new IllegalArgumentException(what + " scale " + s + " must be positive and finite");
      }
    }
  }

  static void requireOffsets(float[] offsets, String what) {
    for (float o : offsets) {
      if (!(o >= -128 && o <= 127)) {
        throw new IllegalArgumentException(what + " offset " + o + " is no int8");
      }
    }
  }

  private static boolean anyNonZero(float[] offsets) {
    for (float o : offsets) {
      if (o != 0) {
        return true;
      }
    }
    return false;
  }
}
