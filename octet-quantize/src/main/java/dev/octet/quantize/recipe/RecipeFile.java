package dev.octet.quantize.recipe;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.Recipe;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A recipe of steps: all that decides what a method makes of a model.
 *
 * @param recipe the steps, the schemes and what is ignored
 * @param calibration the text to calibrate on
 * @param format what is written, a file's layers on their way into it, too
 * @param outer the type of a GGUF file's embedding and output; null: no GGUF file is written
 */
public record RecipeFile(
    Recipe recipe, CalibrationData calibration, WriteFormat format, @Nullable GgufType outer)
    implements RecipeDocument {

  /**
   * @throws IllegalArgumentException if a GGUF file is to have what it has no place for
   */
  public RecipeFile {
    if (outer != null) {
      if (recipe.attention() != null) {
        throw new IllegalArgumentException(
            "method faquant, c8, kv-fp8: GGUF holds no scales of attention or cache");
      }
      List<String> ignore = recipe.options().ignore();
      if (!ignore.subList(0, Math.min(1, ignore.size())).equals(QuantizeOptions.DEFAULT_IGNORE)) {
        throw new IllegalArgumentException("lm-head: a GGUF's output layer has its own rule");
      }
    }
  }

  /** Of a directory. */
  public RecipeFile(Recipe recipe, CalibrationData calibration, WriteFormat format) {
    this(recipe, calibration, format, null);
  }

  /** Of a GGUF file. */
  public static RecipeFile ofGguf(Recipe recipe, CalibrationData calibration, GgufType outer) {
    return new RecipeFile(recipe, calibration, WriteFormat.COMPRESSED_TENSORS, outer);
  }

  /** What a GGUF file's layers become; null: no GGUF file is written. */
  public @Nullable GgufTarget target() {
    return outer == null ? null : new GgufTarget(recipe.options().scheme(), outer);
  }

  /** Patterns of what is ignored besides the output layer. */
  public List<String> ignoredLayers() {
    List<String> ignore = recipe.options().ignore();
    return ignore.subList(Math.min(1, ignore.size()), ignore.size());
  }

  @Override
  public List<String> steps() {
    return recipe.steps();
  }

  /**
   * The recipe as YAML; reading it gives an equal one, but for a text that no step looks at.
   *
   * @throws IllegalArgumentException if a scheme has no name
   */
  @Override
  public String toYaml() {
    return new RecipeWriter().write(this);
  }
}
