package dev.octet.cli.output;

import java.io.Console;
import java.io.PrintStream;
import java.util.Map;

/**
 * Where a command writes: results to {@link #out()}, progress and notes to {@link #err()}.
 *
 * @param out results, what a pipe should receive
 * @param err progress, notes and errors
 * @param outIsTerminal whether a person reads {@code out}
 * @param errIsTerminal whether a person reads {@code err}
 * @param colour whether escape sequences for colours may be used where a person reads
 * @param columns width of a line
 */
public record Terminal(
    PrintStream out,
    PrintStream err,
    boolean outIsTerminal,
    boolean errIsTerminal,
    boolean colour,
    int columns) {
  private static final int DEFAULT_COLUMNS = 80;

  /**
   * The process's own streams. The launcher, which can ask the system cheaply, says in {@code
   * octet.tty} which of them are terminals ({@code 1}, {@code 2}) and in {@code octet.columns} how
   * wide a line is; without it {@link System#console()} decides.
   */
  public static Terminal system(PrintStream out, PrintStream err, Map<String, String> environment) {
    String tty = System.getProperty("octet.tty");
    boolean console = tty == null && hasConsole();
    boolean dumb = "dumb".equals(environment.get("TERM"));
    boolean outTty = tty == null ? console : tty.contains("1");
    boolean errTty = tty == null ? console : tty.contains("2");
    return new Terminal(
        out,
        err,
        outTty,
        errTty && !dumb,
        !dumb && environment.getOrDefault("NO_COLOR", "").isEmpty(),
        columns(environment));
  }

  /** Streams that no person watches: tests, pipes. */
  public static Terminal plain(PrintStream out, PrintStream err) {
    return new Terminal(out, err, false, false, false, DEFAULT_COLUMNS);
  }

  /** The console is null or not a terminal off one, depending on the JDK's {@code jdk.console}. */
  @SuppressWarnings("SystemConsoleNull")
  private static boolean hasConsole() {
    Console console = System.console();
    return console != null && console.isTerminal();
  }

  private static int columns(Map<String, String> environment) {
    String text = System.getProperty("octet.columns", environment.getOrDefault("COLUMNS", ""));
    try {
      int columns = Integer.parseInt(text);
      return columns >= 20 ? columns : DEFAULT_COLUMNS;
    } catch (NumberFormatException e) {
      return DEFAULT_COLUMNS;
    }
  }

  /**
   * Text that comes from a model or a file, made harmless for a terminal: control characters other
   * than line ends and tabs become a replacement character.
   */
  public static String printable(String text) {
    StringBuilder safe = new StringBuilder(text.length());
    text.codePoints()
        .map(c -> Character.isISOControl(c) && c != '\n' && c != '\t' ? 0xfffd : c)
        .forEach(safe::appendCodePoint);
    return safe.toString();
  }

  /** Styles for {@link #out()}: empty where no person reads it. */
  public Ansi outStyle() {
    return new Ansi(colour && outIsTerminal);
  }

  /** Styles for {@link #err()}: empty where no person reads it. */
  public Ansi errStyle() {
    return new Ansi(colour && errIsTerminal);
  }

  /** A line about what goes on, to {@link #err()}. */
  public void note(String line) {
    err.println(errStyle().dim(line));
  }

  /** A progress bar on {@link #err()}. */
  public ProgressBar progress(String what) {
    return new ProgressBar(this, what, System::nanoTime);
  }
}
