package dev.octet.quantize.mixed;

import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizeOptions.LayerRule;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Unit;
import dev.octet.tensor.QuantScheme;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A scheme for every unit of a model.
 *
 * @param units all there are
 * @param candidates what each becomes
 */
public record Mix(List<Unit> units, List<Candidate> candidates) {
  public Mix {
    units = List.copyOf(units);
    candidates = List.copyOf(candidates);
    if (units.size() != candidates.size()) {
      throw new IllegalArgumentException(candidates.size() + " for " + units.size() + " units");
    }
  }

  /** The same for all. */
  static Mix uniform(List<Unit> units, Candidate candidate) {
    return new Mix(units, units.stream().map(_ -> candidate).toList());
  }

  /** Units by what they become, the most frequent first. */
  public Map<Candidate, List<Unit>> groups() {
    Map<Candidate, List<Unit>> groups = new LinkedHashMap<>();
    for (int u = 0; u < units.size(); u++) {
      groups.computeIfAbsent(candidates.get(u), _ -> new ArrayList<>()).add(units.get(u));
    }
    Map<Candidate, List<Unit>> sorted = new LinkedHashMap<>();
    groups.entrySet().stream()
        .sorted(Comparator.comparingInt(e -> -e.getValue().size()))
        .forEach(e -> sorted.put(e.getKey(), e.getValue()));
    return sorted;
  }

  /** As options of quantizing: the most frequent scheme for all, a rule for each of the others. */
  public QuantizeOptions options() {
    List<String> ignore = new ArrayList<>();
    List<LayerRule> rules = new ArrayList<>();
    QuantScheme most = null;
    for (Map.Entry<Candidate, List<Unit>> group : groups().entrySet()) {
      QuantScheme scheme = group.getKey().scheme();
      List<String> modules = patterns(group.getValue());
      if (scheme == null) {
        ignore.addAll(modules);
      } else if (most == null) {
        most = scheme;
      } else {
        rules.add(new LayerRule(modules, scheme));
      }
    }
    return QuantizeOptions.of(most == null ? QuantScheme.W8A16 : most).ignoring(ignore).with(rules);
  }

  /** Patterns for units: one for every kind, naming its layers. */
  static List<String> patterns(List<Unit> units) {
    Map<String, List<Unit>> kinds = new LinkedHashMap<>();
    units.forEach(u -> kinds.computeIfAbsent(u.name(), _ -> new ArrayList<>()).add(u));
    return kinds.values().stream().map(Mix::pattern).toList();
  }

  private static String pattern(List<Unit> kind) {
    String layers =
        kind.stream().map(u -> Integer.toString(u.layer())).collect(Collectors.joining("|"));
    String own = "model.layers." + kind.getFirst().layer() + ".";
    String modules =
        kind.getFirst().modules().stream()
            .map(module -> module.substring(own.length()).replace(".", "[.]"))
            .collect(Collectors.joining("|"));
    return "re:model[.]layers[.](" + layers + ")[.](" + modules + ")$";
  }

  /** {@code 12 w4a16:32, 5 w8a16, 3 none}. */
  @Override
  public String toString() {
    return groups().entrySet().stream()
        .map(e -> e.getValue().size() + " " + e.getKey())
        .collect(Collectors.joining(", "));
  }
}
