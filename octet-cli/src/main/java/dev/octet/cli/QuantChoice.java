package dev.octet.cli;

import dev.octet.tensor.QuantScheme;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A value of {@code --quantization}: a scheme, or the weights as they are stored.
 *
 * @param label what the user wrote
 * @param scheme null for the weights as stored
 */
record QuantChoice(String label, @Nullable QuantScheme scheme) {
  static final QuantChoice NONE = new QuantChoice("none", null);

  /** What suits this machine; {@link ModelSession#resolve} finds out. */
  static final QuantChoice AUTO = new QuantChoice("auto", null);

  /**
   * @throws IllegalArgumentException for an unknown name, listing the known ones
   */
  static QuantChoice of(String text) {
    String name = text.strip().toLowerCase(Locale.ROOT);
    if (name.equals("none")) {
      return NONE;
    }
    if (name.equals("auto")) {
      return AUTO;
    }
    try {
      return new QuantChoice(name, QuantScheme.of(name));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "unknown quantization '"
              + text
              + "'; choose one of none, auto, "
              + String.join(", ", QuantScheme.names()),
          e);
    }
  }
}
