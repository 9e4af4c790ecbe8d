package dev.octet.cli;

import dev.octet.bench.demo.SpeedProbe;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.Verdict;
import dev.octet.quantize.compare.Comparison;
import dev.octet.quantize.compare.DistanceSummary;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Models beside their original, for terminals and programs.
 *
 * @param rows the original first
 */
record CompareReport(List<ComparedRow> rows, EvalText text, Kernels kernels) {
  /** Layers of each model that are named. */
  static final int WORST = 3;

  /** A line a model. */
  List<Json> json() {
    return rows.stream().map(this::json).toList();
  }

  private Json json(ComparedRow row) {
    Json json =
        new Json()
            .put("bench", "compare")
            .put("variant", row.model().label())
            .put("input", text.name())
            .put("threads", kernels.threads())
            .put("isa", kernels.isa())
            .put("provider", kernels.name())
            .put("path", row.model().directory())
            .put("quantization", row.model().choice().label())
            .put("attention", row.attention().label())
            .put("kv_cache_dtype", row.kvType().label())
            .put("weight_bytes", row.weightBytes())
            .put("perplexity", row.perplexity());
    Comparison comparison = row.comparison();
    if (comparison != null) {
      put(json, comparison);
    }
    SpeedProbe.Speed speed = row.speed();
    if (speed != null) {
      json.put("prefill_tokens_per_s", speed.prefill());
      json.put("decode_tokens_per_s", speed.decode());
    }
    return json;
  }

  private static void put(Json json, Comparison comparison) {
    DistanceSummary d = comparison.distance();
    json.put("change", d.change())
        .put("tokens", d.tokens())
        .put("mean_nll", d.nll())
        .put("nll_standard_error", d.nllError())
        .put("kl_mean", d.divergence())
        .put("kl_median", d.quantile(0.5))
        .put("kl_p99", d.quantile(0.99))
        .put("kl_max", d.quantile(1))
        .put("top1_agreement", d.agreement())
        .put("probability_change_rms", d.probabilityChange())
        .put("worst_layers", comparison.worst(WORST).stream().map(CompareReport::json).toList());
    for (int l = 0; l < comparison.layerErrors().size(); l++) {
      json.put("layer_" + l + "_error", comparison.layerErrors().get(l));
    }
  }

  private static Json json(Comparison.LayerError worst) {
    return new Json()
        .put("layer", worst.layer())
        .put("error", worst.error())
        .put("growth", worst.growth());
  }

  /** The layers that add most to the error. */
  static String worst(Comparison comparison) {
    return comparison.worst(WORST).stream()
        .map(e -> String.format(Locale.ROOT, "%d (%+.2f %%)", e.layer(), 100 * e.growth()))
        .collect(Collectors.joining(", "));
  }

  static String exact(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }

  /** Divergences span decades. */
  static String small(double value) {
    return String.format(Locale.ROOT, value < 1e-3 ? "%.1e" : "%.4f", value);
  }

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.2f %%", 100 * share);
  }

  void print(Terminal terminal) {
    Table table =
        new Table()
            .text("model")
            .number("weights")
            .number("perplexity")
            .number("change")
            .number("KL mean")
            .number("KL 99 %")
            .number("same top")
            .number("prefill")
            .number("decode");
    rows.forEach(row -> add(table, row));
    table.print(terminal.out(), terminal.outStyle());
    Comparison first = rows.get(1).comparison();
    if (first != null) {
      terminal.note(
          "%s: %d tokens predicted; %s; prefill and decode in tokens/s"
              .formatted(text.name(), first.distance().tokens(), ComputeOptions.describe(kernels)));
    }
    layers().print(terminal.out(), terminal.outStyle());
    Table verdicts = new Table().text("").text("");
    for (ComparedRow row : rows) {
      if (row.verdict() != null) {
        verdicts.row(row.model().label(), colour(row.verdict(), terminal));
      }
    }
    terminal.out().println();
    verdicts.print(terminal.out(), terminal.outStyle());
  }

  private static void add(Table table, ComparedRow row) {
    List<String> cells =
        new ArrayList<>(
            List.of(row.model().label(), Human.bytes(row.weightBytes()), exact(row.perplexity())));
    Comparison comparison = row.comparison();
    if (comparison == null) {
      cells.addAll(List.of("", "", "", ""));
    } else {
      DistanceSummary d = comparison.distance();
      cells.add(Human.change(d.change()));
      cells.add(small(d.divergence()));
      cells.add(small(d.quantile(0.99)));
      cells.add(percent(d.agreement()));
    }
    SpeedProbe.Speed speed = row.speed();
    cells.add(speed == null ? "" : Human.rate(speed.prefill()));
    cells.add(speed == null ? "" : Human.rate(speed.decode()));
    table.row(cells.toArray(String[]::new));
  }

  /** How far the residual stream is off at the end, and where that came from. */
  private Table layers() {
    Table table = new Table().text("residual stream").number("error").text("layers that add most");
    for (ComparedRow row : rows) {
      Comparison comparison = row.comparison();
      if (comparison != null) {
        table.row(
            row.model().label(), percent(comparison.layerErrors().getLast()), worst(comparison));
      }
    }
    return table;
  }

  private static String colour(Verdict verdict, Terminal terminal) {
    return switch (verdict.level()) {
      case FINE -> terminal.outStyle().green(verdict.toString());
      case ACCEPTABLE -> terminal.outStyle().yellow(verdict.toString());
      case POOR -> terminal.outStyle().red(verdict.toString());
    };
  }
}
