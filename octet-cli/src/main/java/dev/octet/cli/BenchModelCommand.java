package dev.octet.cli;

import dev.octet.bench.ModelBench;
import dev.octet.bench.ModelProfile;
import dev.octet.bench.ModelShape;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Work;
import dev.octet.kernels.Providers;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code octet bench model}. */
@Command(
    name = "model",
    description = {
      "Speed of a whole model of a published shape on random weights made in memory.",
      "Rows as llama-bench prints them: pp reads a prompt at once, tg makes token after token."
    },
    footer = {
      "  octet bench model --shape llama-3.2-1b --quantization w8a8",
      "  octet bench model --shape llama-3.2-1b --quantization bf16,w8a8,w4a16 \\",
      "      --attention int8 --kv-cache-dtype int8 --prompt 512 --gen 32 --json",
      "  octet bench model --quantization w8a8 --attention int8 --kv-cache-dtype int8 --compare",
      "  octet bench model --shape llama-3.1-8b --quantization w4a16 --lm-head w8a16 \\",
      "      --embedding w4a16"
    })
final class BenchModelCommand extends OctetCommand {
  @Option(
      names = "--shape",
      paramLabel = "NAME",
      defaultValue = "llama-3.2-1b",
      description = "llama-3.2-1b, llama-3.1-8b or llama-2-7b (default: ${DEFAULT-VALUE})")
  String shape;

  @Option(
      names = "--quantization",
      paramLabel = "SCHEME",
      split = ",",
      description = "bf16 or schemes: w8a8, w4a16, fp8 … (default: bf16,w8a8,w4a16)")
  List<String> quantizations = List.of("bf16", "w8a8", "w4a16");

  @Mixin OuterOptions outer = new OuterOptions();

  @Mixin RunModeOptions mode = new RunModeOptions();

  @Option(
      names = "--prompt",
      paramLabel = "N",
      defaultValue = "512",
      description = "tokens read at once (default: ${DEFAULT-VALUE})")
  int prompt;

  @Option(
      names = "--gen",
      paramLabel = "N",
      defaultValue = "32",
      description = "tokens made one by one (default: ${DEFAULT-VALUE})")
  int generate;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      defaultValue = "3",
      description = "timed rounds (default: ${DEFAULT-VALUE})")
  int repetitions;

  @Option(
      names = "--provider",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "kernels: reference, vector, cpu or auto, the fastest (default: auto)")
  String provider;

  @Option(
      names = "--compute",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description =
          "unquantized inputs of linear layers: auto, f32, int16 or bf16 (default: auto, see octet"
              + " generate --help)")
  String products;

  @Option(
      names = "--profile",
      description =
          "where the time of a prompt and a decode step goes, kernel by kernel, instead of speeds")
  boolean profile;

  @Mixin BenchOptions bench = new BenchOptions();

  @Mixin CompareOptions compare = new CompareOptions();

  @Override
  public Integer call() {
    ModelBench.Options options =
        new ModelBench.Options(
            ModelShape.of(shape),
            quantizations.stream().map(q -> q.equals("none") ? "bf16" : q).toList(),
            outer.schemes(),
            mode.options(),
            provider,
            Providers.products(provider, products),
            bench.threadCount(),
            prompt,
            generate,
            repetitions);
    BenchPrinter printer = new BenchPrinter(terminal(), bench.json);
    try (Peers peers = compare.open(Work.MODEL, bench.threadCount(), terminal())) {
      if (profile) {
        ModelProfile.run(options, printer);
      } else {
        ModelBench.run(options, peers, printer);
      }
    }
    printer.finish();
    return ExitCode.OK;
  }
}
