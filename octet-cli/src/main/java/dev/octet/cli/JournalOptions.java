package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.Kernels;
import dev.octet.quantize.sensitivity.Fingerprint;
import dev.octet.quantize.sensitivity.Forecast;
import dev.octet.quantize.sensitivity.Measurements;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --journal}: where measurements are kept as they are made. */
final class JournalOptions {
  /** From here on it is worth saying how long it takes, and from here on how to shorten it. */
  private static final double LONG = 60;

  private static final double VERY_LONG = 1800;

  @Option(
      names = "--journal",
      paramLabel = "FILE",
      description =
          "keep measurements here as they are made, a JSON object a line; with --resume they are "
              + "taken from it (default: beside what is written, and removed in the end)")
  @Nullable Path file;

  /** The file that is meant; null: none. */
  @Nullable Path file(@Nullable Path beside) {
    return file == null ? beside : file;
  }

  /** Opens it. */
  Measurements open(
      @Nullable Path beside,
      boolean resume,
      Checkpoint model,
      List<int[]> sequences,
      Kernels kernels,
      Terminal terminal) {
    Path where = file(beside);
    if (where == null) {
      return Measurements.unkept();
    }
    if (!resume && Files.exists(where)) {
      terminal.note(where + ": measuring anew; with --resume what it holds is used");
    }
    return Measurements.open(where, Fingerprint.of(model, sequences, kernels), resume);
  }

  /** What nobody named is not left behind. */
  void remove(@Nullable Path beside) {
    if (file == null && beside != null) {
      beside.toFile().delete();
    }
  }

  /**
   * Says how long measuring takes if that is long, and then what would shorten it.
   *
   * @param kept where measurements go; null: nowhere
   */
  static void announce(Forecast forecast, String choices, @Nullable Path kept, Terminal terminal) {
    if (forecast.known() > 0) {
      terminal.note(forecast.known() + " measurements are known already");
    }
    if (forecast.seconds() < LONG) {
      return;
    }
    terminal.note(
        "measuring takes about %s: %d runs of %d tokens"
            .formatted(Human.seconds(forecast.seconds()), forecast.runs(), forecast.tokens()));
    if (forecast.seconds() >= VERY_LONG) {
      terminal.note("fewer --samples and " + choices + " shorten it in proportion");
    }
    terminal.note(
        kept == null
            ? "name a --journal to be able to interrupt it and go on with --resume"
            : "it can be interrupted at any time; --resume goes on, from " + kept);
  }
}
