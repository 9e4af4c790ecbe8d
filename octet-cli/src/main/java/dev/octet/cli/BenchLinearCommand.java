package dev.octet.cli;

import dev.octet.bench.LinearBench;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Work;
import dev.octet.kernels.Products;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet bench linear}. */
@Command(
    name = "linear",
    description = {
      "Speed of linear layers: one token (bound by memory) and many (bound by arithmetic).",
      "The first row gives what this machine can do at most."
    },
    footer = {
      "  octet bench linear",
      "  octet bench linear --variants bf16,w8a8,w4a16 --shapes 2048x8192 --rows 1,64 --json",
      "  octet bench linear --provider cpu --compare=libtorch,onednn"
    })
final class BenchLinearCommand extends OctetCommand {
  @Option(
      names = "--variants",
      paramLabel = "NAME",
      split = ",",
      description = "bf16 or quantization schemes (default: all)")
  List<String> variants = List.of();

  @Option(
      names = "--shapes",
      paramLabel = "NxK",
      split = ",",
      description = "layers as outputs x inputs (default: 4096x4096)")
  List<String> shapes = List.of();

  @Option(
      names = "--rows",
      paramLabel = "M",
      split = ",",
      description = "tokens at once (default: 1,512)")
  List<Integer> rows = List.of();

  @Option(
      names = "--provider",
      paramLabel = "NAME",
      split = ",",
      description = "kernels: reference, vector, cpu, or auto, the fastest (default: auto)")
  List<String> providers = List.of();

  @Option(
      names = "--compute",
      paramLabel = "TYPE",
      split = ",",
      description =
          "unquantized inputs of linear layers: f32, int16 or bf16 (default: what each provider"
              + " takes by itself)")
  List<String> products = List.of();

  @Option(
      names = "--repeat",
      paramLabel = "N",
      defaultValue = "9",
      description = "timed rounds (default: ${DEFAULT-VALUE})")
  int repetitions;

  @Mixin BenchOptions bench = new BenchOptions();

  @Mixin CompareOptions compare = new CompareOptions();

  @Override
  public Integer call() {
    LinearBench.Options standard = LinearBench.Options.standard(bench.threadCount());
    LinearBench.Options options =
        new LinearBench.Options(
            variants.isEmpty() ? standard.variants() : variants,
            shapes.isEmpty()
                ? standard.shapes()
                : shapes.stream().map(LinearBench.Shape::parse).toList(),
            rows.isEmpty() ? standard.rows() : rows,
            providers.isEmpty() ? standard.providers() : providers,
            products.stream().map(Products::parse).toList(),
            standard.threads(),
            repetitions);
    BenchPrinter printer = new BenchPrinter(terminal(), bench.json);
    try (Peers peers = compare.open(Work.LINEAR, bench.threadCount(), terminal())) {
      LinearBench.run(options, peers, printer);
    }
    printer.finish();
    return ExitCode.OK;
  }
}
