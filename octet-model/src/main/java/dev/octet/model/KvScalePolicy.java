package dev.octet.model;

import java.util.Locale;

/**
 * What to do about cache and attention scales that are missing, or all 1.0 and so never measured.
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
}
