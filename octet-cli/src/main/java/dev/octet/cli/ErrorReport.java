package dev.octet.cli;

import dev.octet.bench.peer.PeerException;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.cli.output.Terminal;
import dev.octet.tensor.NotFiniteException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what a command throws into one line {@code octet: …} and an exit status. */
final class ErrorReport implements IParameterExceptionHandler, IExecutionExceptionHandler {
  private final Terminal terminal;
  private final boolean debug;

  /**
   * @param debug whether to print stack traces even without {@code --debug}
   */
  ErrorReport(Terminal terminal, boolean debug) {
    this.terminal = terminal;
    this.debug = debug;
  }

  @Override
  public int handleParseException(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    say(problem(e) + "; see " + command.getCommandSpec().qualifiedName() + " --help");
    trace(e, debug);
    return ExitCode.BAD_INPUT;
  }

  /** In the reader's words, where picocli speaks of arguments and their indexes. */
  private static String problem(ParameterException e) {
    if (e instanceof UnmatchedArgumentException unmatched && !unmatched.isUnknownOption()) {
      String word = unmatched.getUnmatched().getFirst();
      CommandSpec spec = e.getCommandLine().getCommandSpec();
      if (spec.subcommands().isEmpty()) {
        return "'" + word + "' is one argument too many";
      }
      return "unknown command '%s'; there are %s".formatted(word, String.join(", ", shown(spec)));
    }
    String said = firstLine(e);
    return said.startsWith("Error: ") ? said.substring("Error: ".length()) : said;
  }

  private static List<String> shown(CommandSpec spec) {
    return spec.subcommands().entrySet().stream()
        .filter(command -> !command.getValue().getCommandSpec().usageMessage().hidden())
        .map(Map.Entry::getKey)
        .toList();
  }

  @Override
  public int handleExecutionException(Exception e, CommandLine command, ParseResult result) {
    boolean wanted =
        debug || (command.getCommandSpec().userObject() instanceof OctetCommand c && c.debug);
    return report(e, wanted);
  }

  /** Reports {@code e}, with its stack trace if {@code wanted}, and gives the exit status. */
  int report(Throwable e, boolean wanted) {
    if (isBadInput(e)) {
      say(message(e));
      trace(e, wanted);
      return ExitCode.BAD_INPUT;
    }
    if (e instanceof OutOfMemoryError) {
      say("out of memory: " + firstLine(e) + "; try a smaller model, context or batch");
      trace(e, wanted);
      return ExitCode.BAD_INPUT;
    }
    say("internal error: " + e.getClass().getSimpleName() + ": " + firstLine(e) + hint(wanted));
    trace(e, wanted);
    return ExitCode.INTERNAL;
  }

  private static String hint(boolean debug) {
    return debug ? "" : " (add --debug to see where)";
  }

  private static boolean isBadInput(Throwable e) {
    return e instanceof CliException
        || e instanceof CheckpointException
        || e instanceof PeerException
        || e instanceof NotFiniteException
        || e instanceof IllegalArgumentException
        || e instanceof IOException
        || e instanceof UncheckedIOException;
  }

  private static String message(Throwable e) {
    return switch (e) {
      case UncheckedIOException io when io.getCause() != null -> unwrapped(io, io.getCause());
      case NoSuchFileException f -> f.getFile() + ": no such file or directory";
      case AccessDeniedException f -> f.getFile() + ": permission denied";
      case FileAlreadyExistsException f -> f.getFile() + ": already there";
      case FileSystemException f when f.getReason() != null -> f.getFile() + ": " + f.getReason();
      default -> firstLine(e);
    };
  }

  /**
   * The cause names its file or the wrapper does; without words of its own it repeats the cause.
   */
  private static String unwrapped(UncheckedIOException e, IOException cause) {
    boolean silent =
        cause instanceof FileSystemException || cause.toString().equals(e.getMessage());
    return silent ? message(cause) : firstLine(e) + ": " + message(cause);
  }

  private static String firstLine(Throwable e) {
    String message = e.getMessage();
    if (message == null || message.isBlank()) {
      return e.getClass().getSimpleName();
    }
    return message.lines().map(String::strip).filter(l -> !l.isEmpty()).findFirst().orElse("");
  }

  private void say(String message) {
    terminal.err().println(terminal.errStyle().red("octet:") + " " + Terminal.printable(message));
  }

  private void trace(Throwable e, boolean wanted) {
    if (wanted) {
      e.printStackTrace(terminal.err());
    }
  }
}
