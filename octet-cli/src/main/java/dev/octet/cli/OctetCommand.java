package dev.octet.cli;

import dev.octet.cli.output.Terminal;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * What every command has: help with examples, {@code --debug}, and the terminal. A command returns
 * an {@link ExitCode}; it throws to report bad input.
 */
@Command(
    sortOptions = false,
    usageHelpAutoWidth = true,
    synopsisHeading = "Usage: ",
    descriptionHeading = "%n",
    parameterListHeading = "%nParameters:%n",
    optionListHeading = "%nOptions:%n",
    commandListHeading = "%nCommands:%n",
    footerHeading = "%nExamples:%n")
public abstract class OctetCommand implements Callable<Integer> {
  @Spec CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      order = 1000,
      description = "show this help and leave")
  boolean help;

  @Option(names = "--debug", order = 1001, description = "show stack traces of errors")
  boolean debug;

  /** Made by picocli. */
  protected OctetCommand() {}

  /** The streams to write to. */
  protected final Terminal terminal() {
    return ((Octet) spec.root().userObject()).streams;
  }

  /** The error of naming a group of commands but none of its members. */
  final ParameterException whichSubcommand() {
    return new ParameterException(
        spec.commandLine(),
        "octet " + spec.name() + ": say which: " + String.join(", ", spec.subcommands().keySet()));
  }
}
