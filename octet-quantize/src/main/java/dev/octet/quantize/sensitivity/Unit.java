package dev.octet.quantize.sensitivity;

import dev.octet.model.LayerRunner.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Linear layers of one decoder layer that get the same scheme.
 *
 * @param layer the decoder layer
 * @param name short: {@code qkv}, {@code down}
 * @param parts at least one
 */
public record Unit(int layer, String name, List<Part> parts) {
  public Unit {
    parts = List.copyOf(parts);
  }

  /** A linear layer by itself. */
  static Unit of(int layer, Part part) {
    return new Unit(layer, name(part), List.of(part));
  }

  /** A whole decoder layer. */
  static Unit whole(int layer) {
    return new Unit(layer, "all", List.of(Part.values()));
  }

  /**
   * What may differ within a model: layers that read the same input share a scheme, because vLLM
   * and our own kernels run them as one.
   */
  public static List<Unit> fused(int layers) {
    List<Unit> units = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      units.add(new Unit(l, "qkv", List.of(Part.QUERY, Part.KEY, Part.VALUE)));
      units.add(new Unit(l, "o", List.of(Part.OUTPUT)));
      units.add(new Unit(l, "gate_up", List.of(Part.GATE, Part.UP)));
      units.add(new Unit(l, "down", List.of(Part.DOWN)));
    }
    return units;
  }

  /** {@code q}, {@code k} … {@code down}. */
  public static String name(Part part) {
    return switch (part) {
      case QUERY -> "q";
      case KEY -> "k";
      case VALUE -> "v";
      case OUTPUT -> "o";
      case GATE, UP, DOWN -> part.name().toLowerCase(Locale.ROOT);
    };
  }

  /** The modules' full names. */
  public List<String> modules() {
    return parts.stream().map(part -> part.module(layer)).toList();
  }

  @Override
  public String toString() {
    return layer + "." + name;
  }
}
