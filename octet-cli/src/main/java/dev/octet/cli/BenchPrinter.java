package dev.octet.cli;

import static java.util.stream.Collectors.joining;

import dev.octet.bench.BenchResult;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Prints benchmark rows: as JSON lines the moment they are known, or as one table at the end, with
 * the row just measured as a note meanwhile.
 */
final class BenchPrinter implements Consumer<BenchResult> {
  private final Terminal terminal;
  private final boolean json;
  private final List<BenchResult> rows = new ArrayList<>();

  BenchPrinter(Terminal terminal, boolean json) {
    this.terminal = terminal;
    this.json = json;
  }

  @Override
  public void accept(BenchResult row) {
    rows.add(row);
    if (json) {
      toJson(row).forEach(terminal.out()::println);
    } else if (terminal.errIsTerminal()) {
      terminal
          .err()
          .print("\r\u001b[K" + terminal.errStyle().dim(rows.size() + " rows, last: " + name(row)));
      terminal.err().flush();
    }
  }

  private static String name(BenchResult row) {
    return row.bench() + " " + row.variant() + " " + row.input();
  }

  /** The objects that {@code --json} prints: one, or one for every peer. */
  static List<Json> toJson(BenchResult row) {
    if (row.peers().isEmpty()) {
      return List.of(fields(row));
    }
    return row.peers().stream()
        .map(p -> fields(row).put("peer", p.peer()).put("peer_ms", p.ms()).put("ratio", p.ratio()))
        .toList();
  }

  private static Json fields(BenchResult row) {
    return new Json()
        .put("bench", row.bench())
        .put("variant", row.variant())
        .put("input", row.input())
        .put("d", row.d())
        .put("n", row.n())
        .put("causal", row.causal())
        .put("threads", row.threads())
        .put("isa", row.isa())
        .putAll(row.metrics());
  }

  /** Prints the table, unless rows went out as JSON. */
  void finish() {
    finish(r -> table().print(terminal.out(), terminal.outStyle()));
  }

  /** Lets {@code table} print all rows, unless they went out as JSON. */
  void finish(Consumer<List<BenchResult>> table) {
    if (json) {
      return;
    }
    if (terminal.errIsTerminal()) {
      terminal.err().print("\r\u001b[K");
      terminal.err().flush();
    }
    if (!rows.isEmpty()) {
      terminal.out().println(terminal.outStyle().dim(machine()));
      table.accept(List.copyOf(rows));
    }
  }

  /** What computed, on the table itself: figures that are copied elsewhere take it along. */
  private String machine() {
    int threads = rows.getFirst().threads();
    String sets = rows.stream().map(BenchResult::isa).distinct().collect(joining("; "));
    return threads + (threads == 1 ? " thread, " : " threads, ") + sets;
  }

  private Table table() {
    Table table = new Table().text("variant").text("input");
    List<Function<BenchResult, String>> cells = new ArrayList<>();
    cells.add(BenchResult::variant);
    cells.add(BenchResult::input);
    if (rows.stream().anyMatch(r -> r.d() != null)) {
      table.number("d");
      cells.add(r -> number(r.d()));
    }
    if (rows.stream().anyMatch(r -> r.n() != null)) {
      table.number("n");
      cells.add(r -> number(r.n()));
    }
    if (rows.stream().anyMatch(r -> r.causal() != null)) {
      table.text("causal");
      cells.add(r -> r.causal() == null ? "" : r.causal() ? "yes" : "no");
    }
    Set<String> metrics = new LinkedHashSet<>();
    rows.forEach(r -> metrics.addAll(r.metrics().keySet()));
    for (String metric : metrics) {
      table.number(title(metric));
      cells.add(r -> value(metric, r.metrics().get(metric)));
    }
    Set<String> peers = new LinkedHashSet<>();
    rows.forEach(r -> r.peers().forEach(p -> peers.add(p.peer())));
    for (String peer : peers) {
      table.number("vs " + peer);
      cells.add(r -> ratio(r, peer));
    }
    for (BenchResult row : rows) {
      table.row(cells.stream().map(c -> c.apply(row)).toArray(String[]::new));
    }
    return table;
  }

  private static String ratio(BenchResult row, String peer) {
    return row.peers().stream()
        .filter(p -> p.peer().equals(peer))
        .map(p -> value("ratio", p.ratio()) + "×")
        .findFirst()
        .orElse("");
  }

  private static String number(@Nullable Integer value) {
    return value == null ? "" : value.toString();
  }

  private static String title(String metric) {
    return switch (metric) {
      case "relL1" -> "relL1 %";
      case "rmse" -> "rmse";
      case "tokens_per_s" -> "tokens/s";
      case "gb_per_s" -> "GB/s";
      case "read_gb_per_s" -> "read GB/s";
      case "tops" -> "Tops";
      case "gib" -> "GiB";
      case "mb_per_s" -> "MB/s";
      case "in_out_mb_per_s" -> "in+out MB/s";
      case "s_per_layer" -> "s/layer";
      case String m when m.endsWith("_gib") -> m.replace("_gib", " GiB");
      default -> metric.replace('_', ' ');
    };
  }

  /** Errors in percent and rates in three digits: the columns are read side by side. */
  private static String value(String metric, @Nullable Double value) {
    if (value == null) {
      return "";
    }
    return switch (metric) {
      case "relL1" -> String.format(Locale.ROOT, "%.3f", value * 100);
      case "of_read", "of_ops" -> String.format(Locale.ROOT, "%.0f %%", value * 100);
      case "cos" -> String.format(Locale.ROOT, "%.6f", value);
      case "rmse" -> String.format(Locale.ROOT, "%.2e", value);
      case "ratio" -> String.format(Locale.ROOT, "%.2f", value);
      default -> String.format(Locale.ROOT, "%." + decimals(value) + "f", value);
    };
  }

  private static int decimals(double value) {
    double size = Math.abs(value);
    return size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  }
}
