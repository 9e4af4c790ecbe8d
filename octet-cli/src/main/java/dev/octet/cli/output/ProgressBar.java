package dev.octet.cli.output;

import java.util.Locale;
import java.util.function.LongSupplier;

/**
 * How far a long task is. On a terminal one line that redraws itself; elsewhere a plain line at
 * every tenth, so that a log stays readable.
 */
public final class ProgressBar implements AutoCloseable {
  private static final long REDRAW_NANOS = 100_000_000;
  private static final int BAR = 24;

  private final Terminal terminal;
  private final String title;
  private final LongSupplier clock;
  private final long start;
  private long lastDraw;
  private int lastTenth = -1;
  private boolean drawn;

  /**
   * @param title what is being done, at the start of the line
   * @param clock nanoseconds from any origin
   */
  ProgressBar(Terminal terminal, String title, LongSupplier clock) {
    this.terminal = terminal;
    this.title = title;
    this.clock = clock;
    this.start = clock.getAsLong();
    this.lastDraw = start - REDRAW_NANOS;
  }

  /**
   * Reports that {@code done} of {@code total} is done.
   *
   * @param what detail shown at the end of the line; may be empty
   */
  public void update(long done, long total, String what) {
    long now = clock.getAsLong();
    if (terminal.errIsTerminal()) {
      if (now - lastDraw >= REDRAW_NANOS || done >= total) {
        lastDraw = now;
        drawn = true;
        terminal.err().print("\r" + line(done, total, what, now) + "\u001b[K");
        terminal.err().flush();
      }
      return;
    }
    int tenth = total <= 0 ? 0 : (int) (10.0 * done / total);
    if (tenth > lastTenth && tenth > 0) {
      lastTenth = tenth;
      terminal.err().println(title + " " + tenth * 10 + "% " + left(done, total, now));
    }
  }

  private String line(long done, long total, String what, long now) {
    double share = total <= 0 ? 0 : Math.min(1, (double) done / total);
    int full = (int) (share * BAR);
    String bar = "█".repeat(full) + "░".repeat(BAR - full);
    String text =
        String.format(
            Locale.ROOT,
            "%s %s %3.0f%% %s  %s",
            title,
            bar,
            share * 100,
            left(done, total, now),
            what);
    return DisplayWidth.fit(text.stripTrailing(), terminal.columns() - 1);
  }

  private String left(long done, long total, long now) {
    if (done <= 0 || done >= total) {
      return Human.seconds((now - start) / 1e9);
    }
    return Human.seconds((now - start) / 1e9 * (total - done) / done) + " left";
  }

  /** Removes the bar from the terminal, so that the next line starts clean. */
  @Override
  public void close() {
    if (drawn) {
      terminal.err().print("\r\u001b[K");
      terminal.err().flush();
      drawn = false;
    }
  }
}
