package dev.octet.cli;

import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.cli.output.Human;
import dev.octet.cli.output.ProgressBar;
import dev.octet.cli.output.Terminal;
import dev.octet.quantize.GgufQuantizer;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Collectors;

/** What {@code octet quantize --format gguf} does: one file, by a type of GGUF. */
final class GgufOutput {
  static final String FORMAT = "gguf";

  private GgufOutput() {}

  static void write(Path in, Path out, String scheme, boolean force, Terminal terminal) {
    GgufType type;
    try {
      type = GgufQuantizer.type(scheme);
    } catch (IllegalArgumentException e) {
      throw new CliException("--scheme: " + e.getMessage());
    }
    GgufQuantizer.Outcome outcome;
    try (ProgressBar bar = terminal.progress(scheme)) {
      outcome = GgufQuantizer.run(in, out, type, force, bar::update);
    }
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
