package dev.octet.bench;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/**
 * Accuracy results as one table for each d: a row a method, a column a distribution, in a cell relL1
 * in percent at each N.
 */
public final class AccuracyTable {
  private record Key(int d, String variant, String input) {}

  private final Set<Integer> dims = new TreeSet<>();
  private final Set<Integer> lengths = new TreeSet<>();
  private final Set<String> variants = new LinkedHashSet<>();
  private final Set<String> inputs = new LinkedHashSet<>();
  private final Map<Key, StringBuilder> cells = new LinkedHashMap<>();

  private AccuracyTable(List<BenchResult> results) {
    for (BenchResult r : results) {
      int d = Objects.requireNonNull(r.d());
      dims.add(d);
      lengths.add(Objects.requireNonNull(r.n()));
      variants.add(r.variant());
      inputs.add(r.input());
      StringBuilder cell =
          cells.computeIfAbsent(new Key(d, r.variant(), r.input()), _ -> new StringBuilder());
      cell.append(cell.isEmpty() ? "" : "/").append(percent(r.metrics().get("relL1")));
    }
  }

  /** The tables as Markdown. */
  public static String markdown(List<BenchResult> results) {
    return new AccuracyTable(results).text();
  }

  private String text() {
    StringBuilder text = new StringBuilder();
    for (int d : dims) {
      text.append("relL1 in %, d = ").append(d).append(", N = ").append(joined(lengths));
      text.append(" (* emulated)\n\n| method |");
      inputs.forEach(input -> text.append(' ').append(input).append(" |"));
      text.append("\n|---|").append("---|".repeat(inputs.size())).append('\n');
      for (String variant : variants) {
        text.append("| ").append(variant).append(" |");
        for (String input : inputs) {
          StringBuilder cell = cells.get(new Key(d, variant, input));
          text.append(' ').append(cell == null ? "" : cell).append(" |");
        }
        text.append('\n');
      }
      text.append('\n');
    }
    return text.toString();
  }

  private static String joined(Set<Integer> numbers) {
    return String.join("/", numbers.stream().map(String::valueOf).toList());
  }

  /** Three significant digits or so: 0.012, 1.26, 22.7. */
  private static String percent(@org.jspecify.annotations.Nullable Double fraction) {
    double p = 100 * Objects.requireNonNull(fraction);
    String format = p >= 9.995 ? "%.1f" : p >= 0.1 ? "%.2f" : "%.3f";
    return String.format(Locale.ROOT, format, p);
  }
}
