package dev.octet.cli;

import picocli.CommandLine.Command;

/** {@code octet eval}: the group of evaluations. */
@Command(
    name = "eval",
    description = "Measures how good a model is.",
    subcommands = {EvalPerplexityCommand.class},
    footer = {
      "  octet eval perplexity --text book.txt",
      "  octet eval perplexity --model DIR --text book.txt --quantization none,w8a8,int4,fp8"
    })
final class EvalCommand extends OctetCommand {
  @Override
  public Integer call() {
    throw whichSubcommand();
  }
}
