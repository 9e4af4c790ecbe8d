package dev.octet.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * One of the models that {@code octet eval compare} holds side by side.
 *
 * @param label what it is called in tables
 * @param directory its checkpoint
 * @param choice how its weights are quantized at load
 */
record ComparedModel(String label, Path directory, QuantChoice choice) {

  /** The base: as it is stored. */
  static ComparedModel base(Path directory) {
    return new ComparedModel(name(directory), directory, QuantChoice.NONE);
  }

  /**
   * Reads what a person wrote: a directory, {@code DIR@SCHEME}, or {@code SCHEME} for the base
   * quantized so at load.
   *
   * @throws CliException if it is none of them
   */
  static ComparedModel of(String text, Path base) {
    Path whole = Path.of(text);
    if (Files.exists(whole)) {
      return new ComparedModel(name(whole), whole, QuantChoice.NONE);
    }
    int at = text.lastIndexOf('@');
    @Nullable Path directory = at > 0 ? Path.of(text.substring(0, at)) : null;
    if (directory != null && !Files.exists(directory)) {
      throw new CliException(directory + ": no such directory");
    }
    try {
      QuantChoice choice = QuantChoice.of(text.substring(at + 1));
      return directory == null || directory.equals(base)
          ? new ComparedModel("@" + choice.label(), base, choice)
          : new ComparedModel(name(directory) + "@" + choice.label(), directory, choice);
    } catch (IllegalArgumentException e) {
      throw new CliException(
          at < 0
              ? "'%s': no such directory, and no scheme either: %s".formatted(text, e.getMessage())
              : "'%s': %s".formatted(text, e.getMessage()),
          e);
    }
  }

  private static String name(Path directory) {
    Path name = directory.toAbsolutePath().normalize().getFileName();
    return name == null ? directory.toString() : name.toString();
  }
}
