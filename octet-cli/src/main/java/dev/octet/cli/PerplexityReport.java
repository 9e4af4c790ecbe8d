package dev.octet.cli;

import dev.octet.cli.output.Human;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.model.CausalLm;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.PerplexityResult;
import dev.octet.quantize.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Collects measurements of one text and prints them, changes against the first. */
final class PerplexityReport {
  private record Row(
      QuantChoice quantization,
      AttentionKind attention,
      KvType kvType,
      int headDim,
      int context,
      long weightBytes,
      PerplexityResult result,
      @Nullable Double change) {}

  private final Terminal terminal;
  private final boolean json;
  private final Kernels kernels;
  private final String input;
  private final List<Row> rows = new ArrayList<>();

  PerplexityReport(Terminal terminal, boolean json, Kernels kernels, String input) {
    this.terminal = terminal;
    this.json = json;
    this.kernels = kernels;
    this.input = input;
  }

  void add(QuantChoice choice, CausalLm lm, PerplexityOptions options, PerplexityResult result) {
    @Nullable Double change =
        rows.isEmpty() ? null : result.perplexity() / rows.getFirst().result().perplexity() - 1;
    Row row =
        new Row(
            choice,
            lm.attention(),
            lm.kvType(),
            lm.config().headDim(),
            options.contextOn(lm.contextLength()),
            lm.weightBytes(),
            result,
            change);
    rows.add(row);
    if (json) {
      terminal.out().println(toJson(row));
    }
  }

  /** Highest perplexity of all rows. */
  double highest() {
    return rows.stream().mapToDouble(r -> r.result().perplexity()).max().orElse(0);
  }

  /** Largest change against the first row. */
  double largestChange() {
    return rows.stream().mapToDouble(r -> r.change() == null ? 0 : r.change()).max().orElse(0);
  }

  private Json toJson(Row row) {
    PerplexityResult r = row.result();
    return new Json()
        .put("bench", "perplexity")
        .put("variant", row.quantization().label())
        .put("input", input)
        .put("d", row.headDim())
        .put("n", row.context())
        .put("causal", true)
        .put("threads", kernels.threads())
        .put("isa", kernels.isa())
        .put("provider", kernels.name())
        .put("quantization", row.quantization().label())
        .put("kv_cache_dtype", row.kvType().label())
        .put("attention", row.attention().label())
        .put("perplexity", r.perplexity())
        .put("change", row.change())
        .put("mean_nll", r.meanNll())
        .put("tokens", r.tokens())
        .put("windows", r.windows())
        .put("tokens_per_s", r.tokensPerSecond())
        .put("weight_bytes", row.weightBytes());
  }

  /** Prints the table and verdicts, unless rows went out as JSON. */
  void finish() {
    if (json) {
      return;
    }
    Table table =
        new Table()
            .text("quantization")
            .text("attention")
            .text("KV cache")
            .number("weights")
            .number("perplexity")
            .number("change")
            .number("tokens/s");
    for (Row row : rows) {
      table.row(
          row.quantization().label(),
          row.attention().label(),
          row.kvType().label(),
          Human.bytes(row.weightBytes()),
          String.format(Locale.ROOT, "%.4f", row.result().perplexity()),
          row.change() == null ? "" : Human.change(row.change()),
          Human.rate(row.result().tokensPerSecond()));
    }
    table.print(terminal.out(), terminal.outStyle());
    PerplexityResult first = rows.getFirst().result();
    terminal.note(
        "%s: %d %s scored in %d %s"
            .formatted(
                input,
                first.tokens(),
                first.tokens() == 1 ? "token" : "tokens",
                first.windows(),
                first.windows() == 1 ? "window" : "windows"));
    verdicts().print(terminal.out(), terminal.outStyle());
  }

  /** A line for every row that is compared with the first, where there is a first to compare. */
  private Table verdicts() {
    Table table = new Table().text("").text("");
    double before = rows.getFirst().result().perplexity();
    for (Row row : rows) {
      if (row.change() != null && Double.isFinite(before)) {
        Verdict verdict =
            Verdict.of(
                before,
                row.result().perplexity(),
                row.quantization().scheme(),
                row.attention(),
                row.kvType());
        table.row(label(row), colour(verdict));
      }
    }
    return table;
  }

  /** The scheme, and how the model ran where that differs among the rows. */
  private String label(Row row) {
    boolean oneWay =
        rows.stream().map(r -> r.attention() + "," + r.kvType()).distinct().count() == 1;
    return oneWay
        ? row.quantization().label()
        : "%s, %s, %s"
            .formatted(row.quantization().label(), row.attention().label(), row.kvType().label());
  }

  private String colour(Verdict verdict) {
    return switch (verdict.level()) {
      case FINE -> terminal.outStyle().green(verdict.toString());
      case ACCEPTABLE -> terminal.outStyle().yellow(verdict.toString());
      case POOR -> terminal.outStyle().red(verdict.toString());
    };
  }
}
