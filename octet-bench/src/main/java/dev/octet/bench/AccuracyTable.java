package dev.octet.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Accuracy results as one table for each d: a row a method, a column a distribution, in a cell
 * relL1 in percent at each N.
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
    return grids(results).stream().map(AccuracyTable::markdown).collect(Collectors.joining());
  }

  /**
   * One table.
   *
   * @param title what the numbers are
   * @param header column titles, the method's first
   * @param rows cells, as many as titles
   */
  public record Grid(String title, List<String> header, List<List<String>> rows) {
    public Grid {
      header = List.copyOf(header);
      rows = List.copyOf(rows);
    }
  }

  /** The tables, by rising d. */
  public static List<Grid> grids(List<BenchResult> results) {
    AccuracyTable table = new AccuracyTable(results);
    return table.dims.stream().map(table::grid).toList();
  }

  private Grid grid(int d) {
    List<String> header = new ArrayList<>(List.of("method"));
    header.addAll(inputs);
    List<List<String>> rows = new ArrayList<>();
    for (String variant : variants) {
      List<String> row = new ArrayList<>(List.of(variant));
      for (String input : inputs) {
        StringBuilder cell = cells.get(new Key(d, variant, input));
        row.add(cell == null ? "" : cell.toString());
      }
      rows.add(row);
    }
    return new Grid(
        "relL1 in %, d = " + d + ", N = " + joined(lengths) + " (* emulated)", header, rows);
  }

  private static String markdown(Grid grid) {
    StringBuilder text = new StringBuilder(grid.title()).append("\n\n");
    text.append(markdownRow(grid.header()));
    text.append("|---".repeat(grid.header().size())).append("|\n");
    grid.rows().forEach(row -> text.append(markdownRow(row)));
    return text.append('\n').toString();
  }

  private static String markdownRow(List<String> cells) {
    return "| " + String.join(" | ", cells) + " |\n";
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
