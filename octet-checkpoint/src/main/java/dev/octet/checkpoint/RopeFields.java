package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads the rotary embedding of config.json: {@code rope_theta} and {@code rope_scaling} (with
 * {@code type} or {@code rope_type}), or {@code rope_parameters} of transformers 5, which holds
 * both. Fields of the block that its type does not know are refused, for all of them change the
 * result.
 */
final class RopeFields {
  private static final Set<String> COMMON =
      Set.of("type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned");

  private final Fields config;
  private final @Nullable Fields block;
  private final int maxPositions;

  RopeFields(Fields config, int maxPositions) {
    if (config.isFilled("rope_scaling") && config.isFilled("rope_parameters")) {
      throw config.problem("rope_parameters", "is given beside rope_scaling; keep one of them");
    }
    this.config = config;
    String name = config.isFilled("rope_parameters") ? "rope_parameters" : "rope_scaling";
    Optional<Fields> given = config.isFilled(name) ? config.object(name) : Optional.empty();
    this.block = given.orElse(null);
    this.maxPositions = maxPositions;
  }

  /** Base of the rotary embedding; 10000 where a config leaves it out, as in transformers. */
  double theta() {
    OptionalDouble top = config.positive("rope_theta");
    OptionalDouble inner = block == null ? OptionalDouble.empty() : block.positive("rope_theta");
    if (top.isPresent() && inner.isPresent() && top.getAsDouble() != inner.getAsDouble()) {
      throw config.problem("rope_theta", "is given twice, as %s and %s".formatted(top, inner));
    }
    double theta = inner.orElse(top.orElse(10_000.0));
    if (theta < 1) {
      throw config.problem("rope_theta", "must be at least 1, not " + theta);
    }
    return theta;
  }

  RopeScaling scaling() {
    if (block == null) {
      return new RopeScaling.Default();
    }
    if (block.number("partial_rotary_factor").orElse(1) != 1) {
      throw block.unsupported("partial_rotary_factor", "must be 1: heads are rotated whole");
    }
    String type = type(block);
    return switch (type) {
      case "default" -> known(block, new RopeScaling.Default(), Set.of());
      case "linear" -> known(block, new RopeScaling.LinearScaling(factor(block)), Set.of("factor"));
      case "dynamic" ->
          known(
              block,
              new RopeScaling.Dynamic(factor(block), original(block)),
              Set.of("factor", "original_max_position_embeddings"));
      case "llama3" -> llama3(block);
      case "yarn" -> yarn(block);
      default ->
          throw block.unsupported(
              "rope_type",
              "names the unknown rope scaling '%s'; known are default, linear, dynamic, llama3, yarn"
                  .formatted(type));
    };
  }

  private String type(Fields rope) {
    Optional<String> newer = rope.text("rope_type");
    Optional<String> older = rope.text("type");
    if (newer.isPresent() && older.isPresent() && !newer.equals(older)) {
      throw rope.problem("rope_type", "contradicts field 'type'");
    }
    return newer
        .or(() -> older)
        .orElseGet(
            () -> {
              if (config.isFilled("rope_parameters")) {
                return "default";
              }
              throw rope.problem("rope_type", "is missing");
            });
  }

  private static double factor(Fields rope) {
    double factor = rope.requirePositive("factor");
    if (factor < 1) {
      throw rope.problem("factor", "must be at least 1, not " + factor);
    }
    return factor;
  }

  private int original(Fields rope) {
    return rope.integer("original_max_position_embeddings", 1, Integer.MAX_VALUE)
        .orElse(maxPositions);
  }

  private static RopeScaling llama3(Fields rope) {
    double low = rope.requirePositive("low_freq_factor");
    double high = rope.requirePositive("high_freq_factor");
    if (low >= high) {
      throw rope.problem("low_freq_factor", "must be below high_freq_factor");
    }
    int original = rope.requireInteger("original_max_position_embeddings", 1, Integer.MAX_VALUE);
    return known(
        rope,
        new RopeScaling.Llama3(factor(rope), low, high, original),
        Set.of(
            "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"));
  }

  /** An absent factor is the ratio of the two context lengths, as in DeepSeek's configs. */
  private RopeScaling yarn(Fields rope) {
    int original = original(rope);
    double factor =
        rope.has("factor") ? factor(rope) : Math.max(1, (double) maxPositions / original);
    double fast = rope.positive("beta_fast").orElse(32);
    double slow = rope.positive("beta_slow").orElse(1);
    if (slow >= fast) {
      throw rope.problem("beta_slow", "must be below beta_fast");
    }
    return known(
        rope,
        new RopeScaling.Yarn(
            factor,
            original,
            fast,
            slow,
            orNull(rope.positive("attention_factor")),
            orNull(rope.number("mscale")),
            orNull(rope.number("mscale_all_dim")),
            rope.flag("truncate", true)),
        Set.of(
            "factor",
            "original_max_position_embeddings",
            "beta_fast",
            "beta_slow",
            "attention_factor",
            "mscale",
            "mscale_all_dim",
            "truncate"));
  }

  private static @Nullable Double orNull(OptionalDouble value) {
    return value.isPresent() ? value.getAsDouble() : null;
  }

  private static RopeScaling known(Fields rope, RopeScaling scaling, Set<String> fields) {
    for (String name : rope.names()) {
      if (!COMMON.contains(name) && !fields.contains(name) && rope.isFilled(name)) {
        throw rope.unsupported(name, "is not understood and may change the result");
      }
    }
    return scaling;
  }
}
