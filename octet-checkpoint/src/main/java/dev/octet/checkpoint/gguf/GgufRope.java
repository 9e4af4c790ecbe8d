package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.RopeScaling;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The rotary embedding: its base, and how it is stretched, by a named rule or by a factor for every
 * pair of channels ({@code rope_freqs.weight}, how Llama 3.1 is converted).
 */
final class GgufRope {
  private final GgufFile file;
  private final GgufMetadata metadata;
  private final String prefix;
  private final int headDim;
  private final int context;

  GgufRope(GgufFile file, String prefix, int headDim, int context) {
    this.file = file;
    this.metadata = file.metadata();
    this.prefix = prefix;
    this.headDim = headDim;
    this.context = context;
    int rotated = metadata.integer(key("dimension_count"), 0, 1 << 14).orElse(headDim);
    if (rotated != headDim) {
      throw metadata.unsupported(
          key("dimension_count"),
          "is %d of %d channels: heads are rotated whole".formatted(rotated, headDim));
    }
  }

  private String key(String name) {
    return prefix + "rope." + name;
  }

  double theta() {
    double theta = metadata.positive(key("freq_base")).orElse(10_000);
    if (theta < 1) {
      throw metadata.problem(key("freq_base"), "must be at least 1, not " + theta);
    }
    return theta;
  }

  RopeScaling scaling() {
    for (String kind : List.of("rope_factors_long.weight", "rope_factors_short.weight")) {
      if (file.has(kind)) {
        throw metadata.unsupported(key("scaling.type"), "longrope is not supported");
      }
    }
    RopeScaling named = named();
    if (!file.has(GgufNames.ROPE_FACTORS)) {
      return named;
    }
    if (!(named instanceof RopeScaling.Default)) {
      throw metadata.unsupported(key("scaling.type"), "is given beside " + GgufNames.ROPE_FACTORS);
    }
    return factors();
  }

  private RopeScaling named() {
    double legacy = metadata.positive(key("scale_linear")).orElse(1);
    String type = metadata.text(key("scaling.type")).orElse(legacy == 1 ? "none" : "linear");
    double factor = metadata.number(key("scaling.factor")).orElse(legacy);
    if (!type.equals("none") && factor < 1) {
      throw metadata.problem(key("scaling.factor"), "must be at least 1, not " + factor);
    }
    return switch (type) {
      case "none" -> new RopeScaling.Default();
      case "linear" ->
          factor == 1 ? new RopeScaling.Default() : new RopeScaling.LinearScaling(factor);
      case "yarn" -> yarn(factor);
      default ->
          throw metadata.unsupported(
              key("scaling.type"), "is '%s'; known are none, linear, yarn".formatted(type));
    };
  }

  private RopeScaling yarn(double factor) {
    double magnitude = metadata.number(key("scaling.attn_factor")).orElse(1);
    double extrapolation = metadata.number(key("scaling.yarn_ext_factor")).orElse(1);
    double logMultiplier = metadata.number(key("scaling.yarn_log_multiplier")).orElse(0);
    if (magnitude != 1 || extrapolation != 1 || logMultiplier != 0) {
      throw metadata.unsupported(
          key("scaling.type"), "is yarn with factors of its own, which is not supported");
    }
    int original =
        metadata
            .integer(key("scaling.original_context_length"), 1, Integer.MAX_VALUE)
            .orElse(context);
    double fast = metadata.positive(key("scaling.yarn_beta_fast")).orElse(32);
    double slow = metadata.positive(key("scaling.yarn_beta_slow")).orElse(1);
    if (slow >= fast) {
      throw metadata.problem(key("scaling.yarn_beta_slow"), "must be below the fast one");
    }
    return new RopeScaling.Yarn(factor, original, fast, slow, null, null, null, true);
  }

  private RopeScaling factors() {
    String name = GgufNames.ROPE_FACTORS;
    file.requireReadable(name, headDim / 2);
    Tensor stored = file.dense(name).orElseThrow(() -> file.problem(name, "must not be quantized"));
    List<Double> factors = new ArrayList<>();
    for (float factor : stored.toFloats()) {
      if (!(factor > 0) || Float.isInfinite(factor)) {
        throw file.problem(name, "holds " + factor + "; factors are positive");
      }
      factors.add((double) factor);
    }
    return factors.stream().allMatch(f -> f == 1)
        ? new RopeScaling.Default()
        : new RopeScaling.Factors(factors);
  }
}
