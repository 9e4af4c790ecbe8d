package dev.octet.quantize;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.WeightType;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a change of perplexity means for the person who asked.
 *
 * @param level how it is to be taken
 * @param change relative: 0.01 is one per cent
 * @param advice one sentence
 */
public record Verdict(Level level, double change, String advice) {
  private static final double FINE = 0.01;
  private static final double ACCEPTABLE = 0.02;
  private static final int SMALL_GROUP = 32;

  /** Under 1 %, up to 2 %, beyond. */
  public enum Level {
    FINE,
    ACCEPTABLE,
    POOR
  }

  /**
   * Judges a way to run a model.
   *
   * @param before perplexity of the model it is compared with
   * @param after perplexity on the same windows
   * @param scheme how weights were quantized; null if they were not
   * @param attention how attention was computed
   * @param cache what keys and values were stored as
   * @throws IllegalArgumentException if {@code before} is not finite or one of them is below 1
   */
  public static Verdict of(
      double before,
      double after,
      @Nullable QuantScheme scheme,
      AttentionKind attention,
      KvType cache) {
    if (!(before >= 1) || !(after >= 1) || Double.isInfinite(before)) {
      throw new IllegalArgumentException("perplexities " + before + " and " + after);
    }
    double change = after / before - 1;
    if (change < FINE) {
      return new Verdict(Level.FINE, change, "fine: under 1 %");
    }
    String remedy =
        Stream.of(scheme == null ? "" : remedy(scheme), remedy(cache), remedy(attention, cache))
            .filter(r -> !r.isEmpty())
            .collect(Collectors.joining("; "));
    if (remedy.isEmpty()) {
      remedy = "try --attention f32 --kv-cache-dtype f32";
    }
    if (change <= ACCEPTABLE) {
      return new Verdict(Level.ACCEPTABLE, change, "acceptable; if it matters, " + remedy);
    }
    return new Verdict(Level.POOR, change, "more than 2 %: " + remedy);
  }

  private static String remedy(KvType cache) {
    return switch (cache) {
      case F32, F16, BF16 -> "";
      case INT8 -> "try --kv-cache-dtype bf16";
      case INT4 -> "try --kv-cache-dtype int8";
      case FP8_E4M3 -> "try --kv-cache-dtype int8";
      case FP8_E5M2 -> "try --kv-cache-dtype int8 or fp8_e4m3";
    };
  }

  private static String remedy(AttentionKind attention, KvType cache) {
    return switch (attention) {
      case F32, BF16 -> "";
      case INT8 -> cache.integer() ? "" : "try --attention int8-bf16";
      case INT8_FAST -> "try --attention int8";
      case INT8_BF16 -> "try --attention bf16";
      case INT_FLASH, INT_FLASH_HALF -> "try --attention int8";
    };
  }

  /** The next thing to try, of what there is. */
  private static String remedy(QuantScheme scheme) {
    return switch (scheme.type()) {
      case INT4 -> int4Remedy(scheme);
      case INT8 ->
          scheme.activation().quantizes()
              ? "try octet quantize --method smoothquant, w8a16, which leaves activations alone, or"
                  + " --ignore '*.down_proj'"
              : "try leaving the first layer out with --ignore 'model.layers.0.*'";
      case FP8_E4M3, FP8_E5M2 ->
          scheme.granularity() == ScaleGranularity.TENSOR || scheme.type() == WeightType.FP8_E5M2
              ? "try fp8-dynamic, with a scale a row, or w8a16"
              : "try w8a16, whose steps are finer";
    };
  }

  private static String int4Remedy(QuantScheme scheme) {
    if (scheme.activation() instanceof ActivationQuant.DynamicInt4) {
      return "try octet quantize --method rotation,gptq --rotations R1,R2,R4, or w4a8";
    }
    if (scheme.activation().quantizes()) {
      return "try w4a16, which leaves activations alone, or w8a8";
    }
    if (scheme.granularity() != ScaleGranularity.GROUP) {
      return "try groups: w4a16 or w4a16-asym";
    }
    if (scheme.symmetric()) {
      return "try octet quantize --method gptq, w4a16-asym, or w8a16";
    }
    return scheme.group() > SMALL_GROUP
        ? "try octet quantize --method gptq, smaller groups, or w8a16"
        : "try octet quantize --method gptq, or w8a16";
  }

  /** As a line: {@code +0.42 % fine: under 1 %}. */
  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%+.2f %% %s", change * 100, advice);
  }
}
