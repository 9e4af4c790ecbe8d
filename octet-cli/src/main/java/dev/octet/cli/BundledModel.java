package dev.octet.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Where the repository is, and the model that comes with it. */
final class BundledModel {
  private BundledModel() {}

  /** The repository: what the launcher says in {@code octet.home}, else found above here. */
  static Path home() {
    String home = System.getProperty("octet.home");
    if (home != null) {
      return Path.of(home);
    }
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      if (Files.exists(p.resolve("mvnw")) && Files.isDirectory(p.resolve("models"))) {
        return p;
      }
    }
    return Path.of("").toAbsolutePath();
  }

  /**
   * The directory of the bundled model.
   *
   * @throws CliException if there is none
   */
  static Path directory() {
    Path models = home().resolve("models");
    List<Path> found = List.of();
    if (Files.isDirectory(models)) {
      try (Stream<Path> entries = Files.list(models)) {
        found = entries.filter(p -> Files.exists(p.resolve("config.json"))).sorted().toList();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    if (found.isEmpty()) {
      throw new CliException("no bundled model in " + models + "; name one with --model DIR");
    }
    return found.getFirst();
  }
}
