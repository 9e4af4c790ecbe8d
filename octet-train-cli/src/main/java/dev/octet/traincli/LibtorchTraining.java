package dev.octet.traincli;

import dev.octet.cli.CliException;
import dev.octet.cli.ExitCode;
import dev.octet.cli.TrainingProvider;
import dev.octet.cli.output.Terminal;
import dev.octet.train.TrainArguments;
import dev.octet.train.TrainException;
import dev.octet.train.TrainOptions;
import dev.octet.train.Training;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Runs {@link Training} for {@code octet train}. */
public final class LibtorchTraining implements TrainingProvider {
  /** Time an interrupted run has to write its state. */
  private static final long GRACE_SECONDS = 60;

  /** Made by the service loader. */
  public LibtorchTraining() {}

  /**
   * Ctrl-C ends the run after the update it is in, its state written, so that it can be resumed.
   */
  @Override
  public int train(SequencedMap<String, List<String>> arguments, Terminal terminal) {
    TrainOptions options;
    try {
      options = TrainArguments.parse(arguments);
    } catch (TrainException e) {
      throw new CliException(String.valueOf(e.getMessage()), e);
    }
    AtomicBoolean stop = new AtomicBoolean();
    CountDownLatch written = new CountDownLatch(1);
    Thread onInterrupt =
        new Thread(
            () -> {
              stop.set(true);
              awaitState(written, terminal);
            },
            "octet-train-interrupt");
    Runtime.getRuntime().addShutdownHook(onInterrupt);
    TrainingLines lines = new TrainingLines(terminal);
    try {
      Training.run(options, lines, stop::get);
    } catch (TrainException e) {
      throw new CliException(String.valueOf(e.getMessage()), e);
    } finally {
      lines.clear();
      written.countDown();
      if (!stop.get()) {
        Runtime.getRuntime().removeShutdownHook(onInterrupt);
      }
    }
    if (stop.get()) {
      terminal.note("interrupted; --resume goes on from " + options.out());
    } else {
      terminal.out().println(options.out() + ": trained for " + options.steps() + " steps");
    }
    return ExitCode.OK;
  }

  private static void awaitState(CountDownLatch written, Terminal terminal) {
    try {
      if (!written.await(GRACE_SECONDS, TimeUnit.SECONDS)) {
        terminal.note("the state could not be written in time; an older one may be there");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
