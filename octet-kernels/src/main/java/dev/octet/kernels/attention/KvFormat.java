package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import org.jspecify.annotations.Nullable;

/**
 * How keys and values are encoded in a block. Quantized types carry either one scale per token and
 * head, stored in the block, or static ones per head and channel, which stand here. INT4 also has a
 * zero point per token and head: a code q stands for {@code (q − z)·s}.
 *
 * @param heads key/value heads
 * @param rotatedKeys whether keys are stored minus their mean and rotated; see {@link Rotation}
 * @param keyScales static scales of keys [heads·keyDim]; null: token scales, or none for wide types
 * @param valueScales the same for values
 */
public record KvFormat(
    int heads,
    int keyDim,
    int valueDim,
    KvType keyType,
    KvType valueType,
    boolean rotatedKeys,
    float @Nullable [] keyScales,
    float @Nullable [] valueScales) {

  /**
   * The format of a cache. Static scales of the checkpoint apply to 8-bit types; INT8 keys with
   * static scales are stored as they are, because the scales were calibrated on them.
   */
  public static KvFormat of(KvSpec spec) {
    KvType type = spec.type();
    StaticKvScales scales = type.bits() == 8 ? spec.staticScales() : null;
    return new KvFormat(
        spec.heads(),
        spec.keyDim(),
        spec.valueDim(),
        type,
        type,
        type.integer() && scales == null,
        scales == null ? null : expandKeys(scales, spec),
        scales == null ? null : expandValues(scales, spec));
  }

  /** The format in which a kind reads keys and values with least work, for tensors at hand. */
  public static KvFormat nativeTo(AttentionKind kind, int heads, int keyDim, int valueDim) {
    KvType keys =
        switch (kind) {
          case F32, INT_FLASH, INT_FLASH_HALF -> KvType.F32;
          case BF16 -> KvType.BF16;
          case INT8, INT8_FAST, INT8_BF16 -> KvType.INT8;
        };
    KvType values = kind == AttentionKind.INT8_BF16 ? KvType.BF16 : keys;
    return new KvFormat(heads, keyDim, valueDim, keys, values, keys == KvType.INT8, null, null);
  }

  /** The same with static scales of values [heads·valueDim]. */
  public KvFormat withValueScales(float[] scales) {
    return new KvFormat(
        heads, keyDim, valueDim, keyType, valueType, rotatedKeys, keyScales, scales);
  }

  /** Whether a type needs no scale. */
  public static boolean isWide(KvType type) {
    return type == KvType.F32 || type == KvType.F16 || type == KvType.BF16;
  }

  /** Whether every key has a scale of its own in its block. */
  public boolean tokenKeyScales() {
    return !isWide(keyType) && keyScales == null;
  }

  /** Whether every value has a scale of its own in its block. */
  public boolean tokenValueScales() {
    return !isWide(valueType) && valueScales == null;
  }

  /**
   * The channels that make keys wider than values: in latent attention the rotary part, whose range
   * is much wider than that of the rest. It is neither smoothed nor rotated nor quantized to INT8
   * but kept in BF16.
   */
  public static int tail(int keyDim, int valueDim) {
    return Math.max(0, keyDim - valueDim);
  }

  /** Leading channels of a key that share its scale; the others are BF16. */
  public int body() {
    return rotatedKeys ? keyDim - tail(keyDim, valueDim) : keyDim;
  }

  /** Bytes of one head's keys in a block: [body, 64] codes, then [keyDim − body, 64] BF16. */
  public long keyBytes() {
    return bytes(body(), keyType) + bytes(keyDim - body(), KvType.BF16);
  }

  /** Where the BF16 channels of a head's keys begin in a block. */
  public long tailOffset(int head) {
    return keyOffset(head) + bytes(body(), keyType);
  }

  /** Bytes of one head's values in a block, [64, valueDim] codes. */
  public long valueBytes() {
    return bytes(valueDim, valueType);
  }

  /** Where a head's key codes begin in a block. */
  public long keyOffset(int head) {
    return head * headBytes();
  }

  /** Where a head's 64 F32 key scales begin, if it has them. */
  public long keyScaleOffset(int head) {
    return keyOffset(head) + keyBytes();
  }

  /** Where a head's 64 key zero points begin, a byte each, if it has them. */
  public long keyZeroOffset(int head) {
    return keyScaleOffset(head) + (tokenKeyScales() ? 4L * KvSpec.BLOCK : 0);
  }

  /** Whether a type has zero points beside its scales. */
  static boolean hasZeros(KvType type) {
    return type == KvType.INT4;
  }

  /** Where a head's value codes begin. */
  public long valueOffset(int head) {
    return keyZeroOffset(head) + (hasZeros(keyType) ? KvSpec.BLOCK : 0);
  }

  /** Where a head's 64 F32 value scales begin, if it has them. */
  public long valueScaleOffset(int head) {
    return valueOffset(head) + valueBytes();
  }

  /** Where a head's 64 value zero points begin, a byte each, if it has them. */
  public long valueZeroOffset(int head) {
    return valueScaleOffset(head) + (tokenValueScales() ? 4L * KvSpec.BLOCK : 0);
  }

  /** Bytes of a block, all heads. */
  public long blockBytes() {
    return heads * headBytes();
  }

  private long headBytes() {
    long scales = tokenKeyScales() ? 1 : 0;
    scales += tokenValueScales() ? 1 : 0;
    long zeros = hasZeros(keyType) ? 1 : 0;
    zeros += hasZeros(valueType) ? 1 : 0;
    return Math.addExact(keyBytes() + valueBytes(), (4 * scales + zeros) * KvSpec.BLOCK);
  }

  private static long bytes(int dim, KvType type) {
    return Math.multiplyExact((long) dim, (long) KvSpec.BLOCK * type.bits() / 8);
  }

  private static float[] expandKeys(StaticKvScales scales, KvSpec spec) {
    int dim = spec.keyDim();
    float[] all = new float[spec.heads() * dim];
    for (int i = 0; i < all.length; i++) {
      all[i] = scales.key(i / dim, i % dim, spec.heads(), dim);
    }
    return all;
  }

  private static float[] expandValues(StaticKvScales scales, KvSpec spec) {
    int dim = spec.valueDim();
    float[] all = new float[spec.heads() * dim];
    for (int i = 0; i < all.length; i++) {
      all[i] = scales.value(i / dim, i % dim, spec.heads(), dim);
    }
    return all;
  }
}
