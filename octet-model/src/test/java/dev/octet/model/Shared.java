package dev.octet.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** The folder of shared test data beside the repository; tests that need it are skipped without. */
final class Shared {
  private Shared() {}

  static Path path(String relative) {
    Path root = root();
    Assumptions.assumeTrue(Files.isDirectory(root), "no shared test data at " + root);
    return root.resolve(relative);
  }

  /** Names of the conformance cases; empty without the folder. */
  static List<String> conformanceCases() {
    Path folder = root().resolve("conformance");
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(Files::isDirectory).map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Path root() {
    String override = System.getProperty("octet.shared");
    if (override != null) {
      return Path.of(override);
    }
    Path at = Path.of("").toAbsolutePath();
    while (at.getParent() != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    return at.resolveSibling("shared");
  }
}
