package dev.octet.quantize.recipe;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.quantize.calibrate.Recipe;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Everything that decides how a model is quantized, as a YAML file holds it: in the spirit of
 * llm-compressor's recipes, steps in their order, each with its options.
 *
 * <pre>
 *   scheme: w8a8
 *   lm-head: w8a16
 *   ignore: ["*.down_proj"]
 *   steps:
 *     - smoothquant: {alpha: auto}
 *     - gptq: {damping: 0.01}
 *     - static-inputs: {observer: percentile:99.99}
 *     - faquant
 *   layers:
 *     - targets: ["model.layers.0.*"]
 *       scheme: w8a16
 *   calibration: {text: book.txt, samples: 128, length: 512, seed: 0}
 *   format: ascend
 * </pre>
 *
 * @param recipe the steps, the schemes and what is ignored
 * @param calibration the text to calibrate on
 * @param format what is written
 */
public record RecipeFile(Recipe recipe, CalibrationData calibration, WriteFormat format) {
  private static final long MAX_BYTES = 1 << 20;

  /**
   * Reads a recipe. A relative path in it counts from the file's own folder.
   *
   * @throws IllegalArgumentException if it is no such recipe, naming file and line
   */
  public static RecipeFile read(Path file) {
    try {
      if (!Files.isRegularFile(file)) {
        throw new IllegalArgumentException(
            file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
      }
      if (Files.size(file) > MAX_BYTES) {
        throw new IllegalArgumentException(file + ": too long for a recipe");
      }
      return parse(file.toString(), Files.readString(file), file);
    } catch (MalformedInputException e) {
      throw new IllegalArgumentException(file + ": not valid UTF-8", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Reads a recipe from text; {@code where} names it in errors. */
  static RecipeFile parse(String where, String text, Path file) {
    return new RecipeReader(where, file).read(YamlParser.parse(where, text));
  }

  /**
   * The recipe as YAML; reading it gives an equal one.
   *
   * @throws IllegalArgumentException if a scheme has no name
   */
  public String toYaml() {
    return new RecipeWriter().write(this);
  }
}
