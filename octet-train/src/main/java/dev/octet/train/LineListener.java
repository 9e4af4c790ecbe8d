package dev.octet.train;

import java.util.Locale;
import java.util.function.Consumer;

/** Turns the events of a run into lines of text, a progress line about once a second. */
final class LineListener implements TrainListener {
  private static final long NANOS = 1_000_000_000L;

  private final Consumer<String> lines;
  private long shown = System.nanoTime() - NANOS;

  LineListener(Consumer<String> lines) {
    this.lines = lines;
  }

  @Override
  public void note(String line) {
    lines.accept(line);
  }

  @Override
  public void progress(Progress progress) {
    long now = System.nanoTime();
    if (now - shown >= NANOS || progress.step() == progress.steps()) {
      shown = now;
      lines.accept(progress.line());
    }
  }

  @Override
  public void validated(long step, double loss) {
    lines.accept(
        String.format(
            Locale.ROOT,
            "step %d  validation loss %.4f  perplexity %.2f",
            step,
            loss,
            Math.exp(loss)));
  }
}
