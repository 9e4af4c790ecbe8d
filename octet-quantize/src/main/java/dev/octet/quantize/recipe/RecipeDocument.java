package dev.octet.quantize.recipe;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

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
 * <p>With {@code format: gguf} the scheme is one of GGUF's types; alone it is rounded as GGUF does.
 */
public sealed interface RecipeDocument permits RecipeFile, GgufRecipe {
  /** What is done, a line each, for people. */
  List<String> steps();

  /** The same as YAML. */
  String toYaml();

  /**
   * Reads a recipe. A relative path in it counts from the file's own folder.
   *
   * @throws IllegalArgumentException if it is no such recipe, naming file and line
   */
  static RecipeDocument read(Path file) {
    try {
      if (!Files.isRegularFile(file)) {
        throw new IllegalArgumentException(
            file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
      }
      if (Files.size(file) > 1 << 20) {
        throw new IllegalArgumentException(file + ": too long for a recipe");
      }
      return parse(file.toString(), Files.readString(file), file);
    } catch (MalformedInputException e) {
      throw new IllegalArgumentException(file + ": not valid UTF-8", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Reads a recipe from text.
   *
   * @param where names it in errors
   * @param file relative paths count from its folder
   */
  static RecipeDocument parse(String where, String text, Path file) {
    return new RecipeReader(where, file).read(YamlParser.parse(where, text));
  }
}
