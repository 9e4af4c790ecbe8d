package dev.octet.quantize.sensitivity;

import dev.octet.quantize.LayerQuantizer;
import dev.octet.tensor.QuantScheme;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What a layer may become.
 *
 * @param label as people write it: {@code none}, {@code w8a16}, {@code w4a16:32}
 * @param scheme null: the weights as they are stored
 */
public record Candidate(String label, @Nullable QuantScheme scheme) {
  /** The weights as they are stored. */
  public static final Candidate NONE = new Candidate("none", null);

  /**
   * Reads a candidate: {@code none}, or a scheme with its columns a scale after a colon.
   *
   * @throws IllegalArgumentException if it is none
   */
  public static Candidate of(String text) {
    String name = text.strip().toLowerCase(Locale.ROOT);
    if (name.equals("none")) {
      return NONE;
    }
    int colon = name.indexOf(':');
    if (colon < 0) {
      return new Candidate(name, QuantScheme.of(name));
    }
    QuantScheme scheme = QuantScheme.of(name.substring(0, colon));
    String group = name.substring(colon + 1);
    try {
      int columns = Integer.parseInt(group);
      if (scheme.group() > 0 && columns > 0) {
        return new Candidate(name, scheme.withGroup(columns));
      }
    } catch (NumberFormatException e) {
      throw invalid(text, e);
    }
    throw invalid(text, null);
  }

  private static IllegalArgumentException invalid(String text, @Nullable Exception cause) {
    return new IllegalArgumentException(
        "'%s': after the colon of a scheme in groups comes their size, as in w4a16:32"
            .formatted(text),
        cause);
  }

  /** From exact to small: 16 bits, 8 bits, 4 bits in ever larger groups. */
  public static List<Candidate> usual() {
    return List.of(
        NONE,
        of("w8a16"),
        of("w8a8"),
        of("fp8-dynamic"),
        of("w4a16-asym:32"),
        of("w4a16-asym:64"),
        of("w4a16:64"),
        of("w4a16:128"),
        of("w4a16:256"));
  }

  /** The scheme for layers of so many inputs, its groups dividing them; null for none. */
  public @Nullable QuantScheme on(long columns) {
    return scheme == null ? null : LayerQuantizer.dividing(scheme, columns);
  }

  @Override
  public String toString() {
    return label;
  }
}
