package dev.octet.model;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How a model is to be run, apart from what its weights are.
 *
 * @param attention how attention is computed; null = what fits the cache: {@code int8} on an INT8
 *     or INT4 cache, {@code f32} on an F32 one, {@code bf16} otherwise
 * @param kvType what keys and values are stored as, whatever the checkpoint says; null = what its
 *     calibrated scales are for, {@code kvDefault} if it has none
 * @param kvDefault the type where neither the caller nor the checkpoint asks for one
 * @param scalePolicy what to do about scales that are missing or were never measured
 */
public record RunOptions(
    @Nullable AttentionKind attention,
    @Nullable KvType kvType,
    KvType kvDefault,
    KvScalePolicy scalePolicy) {

  /** Scales that look wrong are reported, not refused. */
  public RunOptions(@Nullable AttentionKind attention, @Nullable KvType kvType, KvType kvDefault) {
    this(attention, kvType, kvDefault, KvScalePolicy.WARN);
  }

  /** A null leaves that choice open; the cache is BF16 unless the checkpoint prescribes another. */
  public RunOptions(@Nullable AttentionKind attention, @Nullable KvType kvType) {
    this(attention, kvType, KvType.BF16);
  }

  /** Both choices left open. */
  public static RunOptions auto() {
    return new RunOptions(null, null);
  }

  /**
   * No rounding that the checkpoint does not ask for: F32 attention over an F32 cache, or over the
   * cache that the checkpoint's calibrated scales prescribe.
   */
  public static RunOptions exact() {
    return new RunOptions(AttentionKind.F32, null, KvType.F32);
  }

  /**
   * From the command line's names, {@code auto} leaving a choice open.
   *
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  public static RunOptions of(String attention, String kvCacheType) {
    return new RunOptions(
        isAuto(attention) ? null : AttentionKind.of(attention),
        isAuto(kvCacheType) ? null : KvType.of(kvCacheType));
  }

  /** The same under another policy. */
  public RunOptions with(KvScalePolicy policy) {
    return new RunOptions(attention, kvType, kvDefault, policy);
  }

  /** The attention to use on a cache of that type. */
  AttentionKind attentionOn(KvType cache) {
    if (attention != null) {
      return attention;
    }
    return switch (cache) {
      case INT8, INT4 -> AttentionKind.INT8;
      case F32 -> AttentionKind.F32;
      case F16, BF16, FP8_E4M3, FP8_E5M2 -> AttentionKind.BF16;
    };
  }

  private static boolean isAuto(String name) {
    return name.toLowerCase(Locale.ROOT).equals("auto");
  }
}
