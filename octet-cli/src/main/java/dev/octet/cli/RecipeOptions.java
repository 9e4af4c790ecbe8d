package dev.octet.cli;

import dev.octet.checkpoint.WholeFile;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.quantize.recipe.RecipeDocument;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --recipe}: a YAML file instead of many options; and what shows or writes one. */
final class RecipeOptions {
  /** Options that say nothing of how a model is quantized. */
  private static final Set<String> BESIDE =
      Set.of(
          "--recipe",
          "--explain",
          "--yaml",
          "--write-recipe",
          "--model",
          "--out",
          "--force",
          "--resume",
          "--threads",
          "--provider",
          "--compute",
          "--debug");

  private static final Pattern YAML = Pattern.compile("(?i)\\.ya?ml$");

  @Option(
      names = "--recipe",
      paramLabel = "FILE",
      description =
          "YAML file that says it all, instead of --scheme, --method and the like: schemes of "
              + "layers, steps, calibration, format")
  @Nullable Path file;

  @Option(names = "--explain", description = "say what would be done, step by step, and stop")
  boolean explain;

  @Option(names = "--yaml", description = "with --explain: say it as a recipe in YAML")
  boolean yaml;

  @Option(
      names = "--write-recipe",
      paramLabel = "FILE",
      description = "once done, write these options as a recipe in YAML, too")
  @Nullable Path written;

  /**
   * The recipe of {@code --recipe}.
   *
   * @param given names of all options on the command line
   * @throws CliException if other options say what it should
   */
  RecipeDocument read(Path from, List<String> given) {
    List<String> others = given.stream().filter(name -> !BESIDE.contains(name)).toList();
    if (!others.isEmpty()) {
      throw new CliException(
          "--recipe says it all: leave out %s, or put it into %s"
              .formatted(String.join(", ", others), from));
    }
    return RecipeDocument.read(from);
  }

  /** Refuses {@code --yaml} where nothing is explained. */
  void requireMeaning() {
    if (yaml && !explain) {
      throw new CliException("--yaml is for --explain; --write-recipe FILE writes a recipe");
    }
  }

  /** What {@code --explain} prints. */
  List<String> explanation(RecipeDocument plan) {
    return yaml ? plan.toYaml().lines().toList() : plan.steps();
  }

  /**
   * Refuses a {@code --write-recipe} that would be refused once all is done.
   *
   * @param out of {@code --out}; the recipe may lie in the directory that is made there
   */
  void requireRoom(Path out, boolean force) {
    if (written == null) {
      return;
    }
    Path file = written.toAbsolutePath().normalize();
    Path model = out.toAbsolutePath().normalize();
    if (file.equals(model)) {
      throw new CliException("--write-recipe: %s is --out; name another file".formatted(written));
    }
    boolean beside = model.equals(file.getParent());
    if (beside && !YAML.matcher(file.toString()).find()) {
      throw new CliException(
          "--write-recipe: %s: a recipe among a model's files is named *.yaml".formatted(written));
    }
    if (!beside || explain || GgufHeader.named(out) || Files.exists(out)) {
      WrittenFile.require("--write-recipe", written);
    }
    if (Files.exists(written) && !force) {
      throw new CliException(written + ": exists; --force replaces it");
    }
  }

  /** Writes the recipe where {@code --write-recipe} wants it. */
  void write(RecipeDocument plan) {
    if (written != null) {
      write(plan, written);
    }
  }

  /** Writes the recipe; the file appears whole or not at all. */
  void write(RecipeDocument plan, Path to) {
    WholeFile.write(to, plan.toYaml());
  }
}
