package dev.octet.cli;

import dev.octet.bench.demo.Demo;
import dev.octet.bench.demo.DemoPlan;
import dev.octet.bench.demo.DemoRow;
import dev.octet.bench.demo.DemoVariant;
import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.Json;
import dev.octet.cli.output.ProgressBar;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.engine.Tokenizer;
import dev.octet.kernels.Kernels;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet demo}: the main job on the bundled model, on one screen. */
@Command(
    name = "demo",
    description = {
      "Quantizes a model in memory every way there is and shows what that costs and brings.",
      "One table: size, perplexity and its change, speed; then how each variant continues a "
          + "prompt. Nothing is fetched, nothing is written."
    },
    footer = {
      "  octet demo                    the bundled model",
      "  octet demo --quick            in under a minute",
      "  octet demo --model DIR --text book.txt --prompt \"The sea was\""
    })
final class DemoCommand extends OctetCommand {
  @Mixin ModelOptions model = new ModelOptions();

  @Option(names = "--quick", description = "less text and fewer rounds: under a minute")
  boolean quick;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description = "text to measure perplexity on (default: the one that comes with Octet)")
  @Nullable Path text;

  @Option(
      names = "--prompt",
      paramLabel = "TEXT",
      defaultValue = "Once upon a time there was a little fox who",
      description = "text to continue (default: ${DEFAULT-VALUE})")
  String prompt;

  @Mixin ComputeOptions compute = new ComputeOptions();

  @Option(names = "--json", description = "one JSON object a line instead of a table")
  boolean json;

  @Override
  public Integer call() {
    Path directory = model.directory();
    EvalText.Source source = new EvalText.Source();
    source.text = text == null ? BundledModel.home().resolve("models/demo.txt") : text;
    long started = System.nanoTime();
    try (Checkpoint checkpoint = Checkpoints.open(directory);
        Tokenizer tokenizer = Tokenizer.load(directory)) {
      EvalText sample = EvalText.read(source, directory, checkpoint.config());
      DemoPlan plan =
          DemoPlan.of(
              sample.ids(),
              sample.bos(),
              checkpoint.config().maxPositions(),
              tokenizer.encode(prompt, true),
              quick);
      try (Kernels kernels = compute.open(terminal());
          Demo demo = Demo.load(checkpoint, tokenizer, kernels, DemoVariant.standard(), plan)) {
        List<DemoRow> rows = measure(demo);
        if (json) {
          rows.forEach(row -> terminal().out().println(toJson(row, sample.name(), plan, kernels)));
        } else {
          print(directory, sample, rows, kernels, (System.nanoTime() - started) / 1e9);
        }
      }
    }
    return ExitCode.OK;
  }

  private List<DemoRow> measure(Demo demo) {
    try (ProgressBar bar = terminal().progress("demo")) {
      return demo.run(bar::update);
    }
  }

  private void print(
      Path directory, EvalText sample, List<DemoRow> rows, Kernels kernels, double seconds) {
    Terminal terminal = terminal();
    terminal
        .out()
        .println(
            terminal
                .outStyle()
                .cyan(
                    "%s on %s (%d tokens); prefill and decode in tokens/s"
                        .formatted(directory.getFileName(), sample.name(), sample.ids().length)));
    table(rows).print(terminal.out(), terminal.outStyle());
    terminal.out().println();
    generations(rows);
    terminal
        .out()
        .println(
            terminal
                .outStyle()
                .dim("%s; %s".formatted(ComputeOptions.describe(kernels), Human.seconds(seconds))));
  }

  private Table table(List<DemoRow> rows) {
    Table table =
        new Table()
            .text("variant")
            .number("weights")
            .number("KV/token")
            .number("perplexity")
            .number("change")
            .number("prefill")
            .number("decode");
    for (DemoRow row : rows) {
      table.row(
          row.variant().label(),
          Human.bytes(row.weightBytes()),
          Human.bytes(Math.round(row.kvBytesPerToken())),
          String.format(Locale.ROOT, "%.3f", row.perplexity()),
          row.change() == 0 ? "" : Human.change(row.change()),
          Human.rate(row.speed().prefill()),
          Human.rate(row.speed().decode()));
    }
    return table;
  }

  /** Every variant's text; those that say the same share a line. */
  private void generations(List<DemoRow> rows) {
    Terminal terminal = terminal();
    terminal.out().println(terminal.outStyle().bold(prompt + " …"));
    Table table = new Table().text("").text("");
    int labels = rows.stream().mapToInt(r -> r.variant().label().length()).max().orElse(0);
    int room = Math.max(20, terminal.columns() - labels - 3);
    for (DemoRow row : rows) {
      String text = Terminal.printable(row.text()).replaceAll("\\s+", " ").strip();
      table.row(terminal.outStyle().dim(row.variant().label()), Table.fit(text, room));
    }
    table.print(terminal.out(), terminal.outStyle());
  }

  private static Json toJson(DemoRow row, String input, DemoPlan plan, Kernels kernels) {
    return new Json()
        .put("bench", "demo")
        .put("variant", row.variant().label().strip())
        .put("input", input)
        .put("d", null)
        .put("n", plan.context())
        .put("causal", true)
        .put("threads", kernels.threads())
        .put("isa", kernels.isa())
        .put(
            "quantization", row.variant().scheme() == null ? "none" : row.variant().scheme().name())
        .put("kv_cache_dtype", row.variant().kvType().label())
        .put("attention", row.variant().attention().label())
        .put("weight_bytes", row.weightBytes())
        .put("kv_bytes_per_token", row.kvBytesPerToken())
        .put("perplexity", row.perplexity())
        .put("change", row.change())
        .put("prefill_tokens_per_s", row.speed().prefill())
        .put("decode_tokens_per_s", row.speed().decode())
        .put("text", row.text());
  }
}
