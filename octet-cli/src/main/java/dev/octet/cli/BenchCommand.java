package dev.octet.cli;

import picocli.CommandLine.Command;

/** {@code octet bench}: the group of benchmarks. */
@Command(
    name = "bench",
    description = "Measures accuracy and speed of kernels and whole models.",
    subcommands = {
      BenchAccuracyCommand.class,
      BenchAttentionCommand.class,
      BenchLinearCommand.class,
      BenchModelCommand.class,
      BenchQuantizeCommand.class
    },
    footer = {
      "  octet bench accuracy                      INT8 attention against 16-bit and FP8",
      "  octet bench attention --json              its speed",
      "  octet bench linear                        linear layers in every quantization",
      "  octet bench model --shape llama-3.2-1b --quantization w8a8",
      "  octet bench quantize --shape llama-3.2-1b --scheme w8a8"
    })
final class BenchCommand extends OctetCommand {
  @Override
  public Integer call() {
    throw whichSubcommand();
  }
}
