package dev.octet.cli;

import dev.octet.cli.output.ProgressBar;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.Progress;
import org.jspecify.annotations.Nullable;

/** A progress bar for every part of a long task, one after another. */
final class ProgressPhases implements AutoCloseable {
  private final Terminal terminal;
  private @Nullable ProgressBar bar;

  ProgressPhases(Terminal terminal) {
    this.terminal = terminal;
  }

  /** The next part's. */
  Progress begin(String name) {
    close();
    ProgressBar next = terminal.progress(name);
    bar = next;
    return next::update;
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }
}
