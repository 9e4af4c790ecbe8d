package dev.octet.cli;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.engine.Tokenizer;
import dev.octet.model.CausalLm;
import dev.octet.quantize.calibrate.CalibrationText;
import dev.octet.quantize.sensitivity.MeasuredText;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --calibration} and what is taken from it: the text that layers are measured on. */
final class TextOptions {
  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description = "UTF-8 text to measure on (default: a text that comes with Octet)")
  @Nullable Path text;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description =
          "sequences taken from it (default: 16 for models of up to 100 million weights, fewer for "
              + "larger ones)")
  @Nullable Integer samples;

  @Option(
      names = "--sample-length",
      paramLabel = "N",
      defaultValue = "256",
      description = "tokens of each (default: 256)")
  int length;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "of the choice of sequences (default: 0)")
  long seed;

  /** What the sequences were taken from. */
  String name() {
    return text == null ? "the bundled calibration text" : String.valueOf(text.getFileName());
  }

  /**
   * The sequences, with the tokenizer of a model.
   *
   * @param config of the model
   */
  List<int[]> sequences(Path model, ModelConfig config) {
    if (length < 2) {
      throw new CliException("--sample-length must be at least 2, not " + length);
    }
    int longest = CausalLm.contextLength(config);
    int count = samples == null ? Math.max(1, MeasuredText.tokens(config) / length) : samples;
    if (length > longest) {
      throw new CliException(
          "--sample-length %d: the model reads %d tokens".formatted(length, longest));
    }
    try (Tokenizer tokenizer = Tokenizer.load(model)) {
      EvalText source =
          text == null
              ? EvalText.ofText("calibration.txt", CalibrationText.bundled(), tokenizer)
              : EvalText.ofText(name(), EvalText.readUtf8(text), tokenizer);
      return CalibrationText.cut(source.ids(), count, length, seed, source.bos());
    }
  }
}
