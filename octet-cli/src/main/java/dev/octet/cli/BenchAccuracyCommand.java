package dev.octet.cli;

import dev.octet.bench.AccuracyBench;
import dev.octet.bench.AccuracyOptions;
import dev.octet.bench.AccuracyTable;
import dev.octet.bench.BenchResult;
import dev.octet.bench.Distribution;
import dev.octet.cli.output.Table;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet bench accuracy}. */
@Command(
    name = "accuracy",
    description = {
      "How far attention is from the exact result: every kind and cache type of Octet's own "
          + "kernels beside published methods.",
      "relL1 = sum|error| / sum|exact|; inputs are drawn as the papers draw them, from a seed."
    },
    footer = {
      "  octet bench accuracy",
      "  octet bench accuracy --quick",
      "  octet bench accuracy --d 128 --n 1024,4096 --causal --json"
    })
final class BenchAccuracyCommand extends OctetCommand {
  @Option(names = "--quick", description = "d = 128, N = 1024 only")
  boolean quick;

  @Option(
      names = "--d",
      paramLabel = "D",
      split = ",",
      description = "head dimensions (default: 64,128)")
  List<Integer> dims = List.of();

  @Option(
      names = "--n",
      paramLabel = "N",
      split = ",",
      description = "sequence lengths (default: 1024,4096,16384)")
  List<Integer> lengths = List.of();

  @Option(
      names = "--input",
      paramLabel = "NAME",
      split = ",",
      description = "distributions of the inputs (default: all)")
  List<Distribution> inputs = List.of();

  @Option(names = "--causal", description = "queries see only keys up to their own position")
  boolean causal;

  @Option(
      names = "--provider",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "kernels: reference, vector, cpu or auto, the fastest (default: auto)")
  String provider;

  @Mixin BenchOptions bench = new BenchOptions();

  @Override
  public Integer call() {
    AccuracyOptions base = quick ? AccuracyOptions.quick(causal) : AccuracyOptions.standard(causal);
    AccuracyOptions options =
        new AccuracyOptions(
            inputs.isEmpty() ? base.distributions() : inputs,
            dims.isEmpty() ? base.headDims() : dims,
            lengths.isEmpty() ? base.lengths() : lengths,
            causal,
            base.queries(),
            base.seed());
    BenchPrinter printer = new BenchPrinter(terminal(), bench.json);
    try (Kernels kernels = Providers.create(provider, bench.threadCount())) {
      AccuracyBench.run(options, kernels, printer);
    }
    printer.finish(this::print);
    return ExitCode.OK;
  }

  private void print(List<BenchResult> rows) {
    Terminal terminal = terminal();
    for (AccuracyTable.Grid grid : AccuracyTable.grids(rows)) {
      terminal.out().println(terminal.outStyle().cyan(grid.title()));
      Table table = new Table();
      table.text(grid.header().getFirst());
      grid.header().stream().skip(1).forEach(table::number);
      grid.rows().forEach(row -> table.row(row.toArray(String[]::new)));
      table.print(terminal.out(), terminal.outStyle());
      terminal.out().println();
    }
  }
}
