package dev.octet.cli;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.ProgressBar;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.ConvertOptions;
import dev.octet.quantize.GgufQuantizer;
import dev.octet.quantize.GgufTarget;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What writing a GGUF file prints: one file, its tensors by type. */
final class GgufOutput {
  static final String FORMAT = "gguf";

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

  static void write(
      Path in, Path out, String scheme, List<String> ignore, boolean force, Terminal terminal) {
    GgufType type = OptionValue.of("--scheme", GgufQuantizer::type, scheme);
    GgufQuantizer.Outcome outcome;
    try (ProgressBar bar = terminal.progress(scheme)) {
      outcome = GgufQuantizer.run(in, out, type, ignore, force, bar::update);
    }
    print(out, outcome, terminal);
  }

  /**
   * Runs a method into a directory beside the file and stores its result; the directory goes, or
   * stays where the method was interrupted and can be resumed.
   */
  static void quantized(
      Path in,
      Path out,
      GgufTarget target,
      List<String> ignore,
      boolean force,
      Consumer<Path> method,
      Terminal terminal) {
    target.require(in, out, force);
    Path beside = out.resolveSibling(out.getFileName() + ".layers");
    method.accept(beside);
    try (ProgressBar bar = terminal.progress(FORMAT)) {
      print(
          out, GgufQuantizer.store(beside, in, out, target, ignore, force, bar::update), terminal);
    } finally {
      delete(beside);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
      Files.delete(folder);
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
