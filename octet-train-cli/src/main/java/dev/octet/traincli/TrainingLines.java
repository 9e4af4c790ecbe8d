package dev.octet.traincli;

import dev.octet.cli.output.Terminal;
import dev.octet.train.TrainListener;
import java.util.Locale;

/**
 * Reports a run: notes and validation losses as lines, the progress as one line that redraws itself
 * on a terminal and as a line every ten seconds elsewhere.
 */
final class TrainingLines implements TrainListener {
  private static final long REDRAW = 500_000_000L;
  private static final long LOG = 10_000_000_000L;

  private final Terminal terminal;
  private long shown = System.nanoTime() - LOG;
  private boolean drawn;

  TrainingLines(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public void note(String line) {
    clear();
    terminal.note(line);
  }

  @Override
  public void progress(Progress progress) {
    long now = System.nanoTime();
    boolean last = progress.step() == progress.steps();
    if (!last && now - shown < (terminal.errIsTerminal() ? REDRAW : LOG)) {
      return;
    }
    shown = now;
    if (terminal.errIsTerminal()) {
      terminal.err().print("\r" + progress.line() + "\u001b[K");
      terminal.err().flush();
      drawn = true;
    } else {
      terminal.err().println(progress.line());
    }
  }

  @Override
  public void validated(long step, double loss) {
    clear();
    terminal
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "step %d  validation loss %.4f  perplexity %.2f",
                step,
                loss,
                Math.exp(loss)));
  }

  /** Leaves the last state of a line that redraws itself on the terminal. */
  void clear() {
    if (drawn) {
      terminal.err().println();
      drawn = false;
    }
  }
}
