package dev.octet.model;

import dev.octet.checkpoint.CheckpointException;
import java.util.List;
import java.util.Locale;

/**
 * What to do about scales of cache, attention and static inputs that are missing, or 1.0 and so
 * never measured.
 */
public enum KvScalePolicy {
  /** Say so and go on. */
  WARN,
  /** Refuse the model. */
  STRICT;

  /**
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  public static KvScalePolicy of(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "warn" -> WARN;
      case "strict" -> STRICT;
      default ->
          throw new IllegalArgumentException(
              "unknown KV scale policy '" + name + "'; choose one of warn, strict");
    };
  }

  /**
   * Refuses what is wrong with a model's scales if this is {@link #STRICT}.
   *
   * @throws CheckpointException with all of the problems
   */
  void enforce(List<String> problems) {
    if (this == STRICT && !problems.isEmpty()) {
      throw new CheckpointException(
          "KV scale policy strict: " + String.join("; ", problems) + "; calibrate, or choose warn");
    }
  }
}
