package dev.octet.cli;

import dev.octet.cli.output.ProgressBar;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.Progress;
import dev.octet.quantize.mixed.Phases;
import dev.octet.quantize.sensitivity.Forecast;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A progress bar for every part of a long task, one after another. */
final class ProgressPhases implements Phases, AutoCloseable {
  private final Terminal terminal;
  private final Consumer<Forecast> forecasts;
  private @Nullable ProgressBar bar;

  /**
   * @param forecasts hears what the longest part will take
   */
  ProgressPhases(Terminal terminal, Consumer<Forecast> forecasts) {
    this.terminal = terminal;
    this.forecasts = forecasts;
  }

  @Override
  public void expect(Forecast forecast) {
    forecasts.accept(forecast);
  }

  @Override
  public Progress begin(String name) {
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
