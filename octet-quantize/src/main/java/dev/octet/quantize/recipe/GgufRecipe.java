package dev.octet.quantize.recipe;

import dev.octet.checkpoint.gguf.GgufType;
import java.util.List;
import java.util.Locale;

/**
 * A GGUF file by its own rounding: a type's name and no steps.
 *
 * @param type of matrices
 * @param ignore patterns of modules that keep the type they have
 */
public record GgufRecipe(GgufType type, List<String> ignore) implements RecipeDocument {
  public GgufRecipe {
    ignore = List.copyOf(ignore);
  }

  /** As {@code scheme:} spells the type. */
  public String scheme() {
    return type.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<String> steps() {
    String all = "matrices as %s, by the search of GGUF's own blocks".formatted(scheme());
    return ignore.isEmpty()
        ? List.of(all)
        : List.of(all, "left as they are: " + String.join(", ", ignore));
  }

  @Override
  public String toYaml() {
    return new RecipeWriter().write(this);
  }
}
