package dev.octet.cli;

import picocli.CommandLine.Command;

/** {@code octet eval}: the group of evaluations. */
@Command(
    name = "eval",
    description = "Measures how good a model is.",
    subcommands = {EvalPerplexityCommand.class, EvalCompareCommand.class},
    footer = {
      "  octet eval perplexity --text book.txt",
      "  octet eval perplexity --model DIR --text book.txt --quantization none,w8a8,int4,fp8",
      "  octet eval compare DIR DIR-w8a8 w4a16 --text book.txt --html report.html"
    })
final class EvalCommand extends OctetCommand {
  @Override
  public Integer call() {
    throw whichSubcommand();
  }
}
