package dev.octet.kernels;

/**
 * Calibrated scales of a KV cache: {@code x' = clamp(rint(x / s))·s}, keys after the rotation.
 *
 * @param key one scale, one per head, or one per head and channel [heads·dim]
 * @param value the same for values
 */
public record StaticKvScales(float[] key, float[] value) {
  public StaticKvScales {
    requirePositive(key, "key");
    requirePositive(value, "value");
  }

  void requireFits(int heads, int keyDim, int valueDim) {
    requireLength(key.length, heads, keyDim);
    requireLength(value.length, heads, valueDim);
  }

  /** Scale of a key's channel. */
  public float key(int head, int channel, int heads, int dim) {
    return pick(key, head, channel, heads, dim);
  }

  /** Scale of a value's channel. */
  public float value(int head, int channel, int heads, int dim) {
    return pick(value, head, channel, heads, dim);
  }

  private static float pick(float[] scales, int head, int channel, int heads, int dim) {
    if (scales.length == 1) {
      return scales[0];
    }
    return scales.length == heads ? scales[head] : scales[head * dim + channel];
  }

  private static void requireLength(int length, int heads, int dim) {
    if (length != 1 && length != heads && length != heads * dim) {
      throw new IllegalArgumentException(
          length + " KV scales for " + heads + " heads of " + dim + " channels");
    }
  }

  private static void requirePositive(float[] scales, String what) {
    for (float s : scales) {
      if (!(s > 0) || Float.isInfinite(s)) {
        throw new IllegalArgumentException(what + " scale " + s + " must be positive and finite");
      }
    }
  }
}
