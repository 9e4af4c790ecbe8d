package dev.octet.cli;

import dev.octet.checkpoint.ScratchFolder;
import dev.octet.checkpoint.WholeFile;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.ProgressBar;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.ConvertOptions;
import dev.octet.quantize.GgufQuantizer;
import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.recipe.GgufRecipe;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** What writing a GGUF file prints: one file, its tensors by type. */
final class GgufOutput {
  static final String FORMAT = "gguf";

  /** Beside the layers that a method has made: how. */
  private static final String SETTINGS = "octet-settings.txt";

  private GgufOutput() {}

  /**
   * The format of {@code --format} where it is not GGUF.
   *
   * @throws CliException for an unknown one, naming GGUF among those that there are
   */
  static WriteFormat otherFormat(String name) {
    try {
      return WriteFormat.of(name);
    } catch (IllegalArgumentException e) {
      throw new CliException("--format: " + e.getMessage() + ", " + FORMAT, e);
    }
  }

  /**
   * Refuses a directory that is named as a file of another format would be.
   *
   * @throws CliException saying what writes a file
   */
  static void requireFolder(Path out) {
    if (GgufHeader.named(out)) {
      throw new CliException(
          "--out %s: a directory is written in this format; --format gguf writes a file"
              .formatted(out));
    }
  }

  /** By GGUF's own rounding. */
  static void write(Path in, Path out, GgufRecipe plan, boolean force, Terminal terminal) {
    GgufQuantizer.Outcome outcome;
    try (ProgressBar bar = terminal.progress(plan.scheme())) {
      outcome = GgufQuantizer.run(in, out, plan.type(), plan.ignore(), force, bar::update);
    }
    print(out, outcome, terminal);
  }

  /**
   * What a method is to make of a model before it becomes one file.
   *
   * @param settings all that decides what the method makes
   * @param method writes its result to a directory
   */
  record Layers(GgufTarget target, String settings, Consumer<Path> method) {}

  /**
   * Runs a method into a directory beside the file and stores its result; the directory goes, or
   * stays where the method or the storing was interrupted and can be resumed.
   *
   * @param resume whether a result that is there already is stored
   */
  static void quantized(
      Path in,
      Path out,
      Layers layers,
      List<String> ignore,
      boolean force,
      boolean resume,
      Terminal terminal) {
    Path beside = layers(out);
    if (!resume || !isDone(beside, layers.settings())) {
      layers.method().accept(beside);
      WholeFile.write(beside.resolve(SETTINGS), layers.settings());
    }
    GgufQuantizer.Outcome outcome;
    try (ProgressBar bar = terminal.progress(FORMAT)) {
      outcome = GgufQuantizer.store(beside, in, out, layers.target(), ignore, force, bar::update);
    } catch (RuntimeException e) {
      terminal.note(beside + " holds the quantized layers: --resume stores them");
      throw e;
    }
    print(out, outcome, terminal);
    new ScratchFolder(beside).close();
  }

  /** Where the layers of a file grow. */
  static Path layers(Path out) {
    return out.resolveSibling(out.getFileName() + ".layers");
  }

  /** Whether an earlier run of the same settings has come as far as storing. */
  private static boolean isDone(Path beside, String settings) {
    Path file = beside.resolve(SETTINGS);
    try {
      if (!Files.exists(file)) {
        return false;
      }
      if (!Files.readString(file).equals(settings)) {
        throw new CliException(
            beside + ": was made with other settings; run without --resume to start over");
      }
      return true;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What {@code octet convert --format gguf} does. */
  static void convert(Path in, Path out, ConvertOptions options, Terminal terminal) {
    GgufQuantizer.Outcome outcome;
    try (ProgressBar bar = terminal.progress(FORMAT)) {
      outcome = GgufQuantizer.convert(in, out, options, bar::update);
    }
    print(out, outcome, terminal);
  }

  private static void print(Path out, GgufQuantizer.Outcome outcome, Terminal terminal) {
    outcome.notices().forEach(terminal::note);
    String types =
        outcome.tensors().entrySet().stream()
            .map(e -> e.getValue() + " " + e.getKey())
            .collect(Collectors.joining(", "));
    terminal
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%s: tensors %s, %s instead of %s (%.0f %%)",
                out,
                types,
                Human.bytes(outcome.writtenBytes()),
                Human.bytes(outcome.modelBytes()),
                100.0 * outcome.writtenBytes() / outcome.modelBytes()));
  }
}
