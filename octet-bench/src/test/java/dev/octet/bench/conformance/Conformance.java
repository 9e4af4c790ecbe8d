package dev.octet.bench.conformance;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the shared conformance cases; tests that need them are skipped where they are absent. */
final class Conformance {
  private Conformance() {}

  static Path directory() {
    Path directory = shared().resolve("conformance");
    assumeTrue(Files.isDirectory(directory), () -> directory + " is absent");
    return directory;
  }

  /** {@code ../shared} of the repository, or what the system property says. */
  static Path shared() {
    String given = System.getProperty("octet.shared");
    if (given != null) {
      return Path.of(given);
    }
    Path root = Path.of("").toAbsolutePath();
    while (root.getParent() != null && !Files.exists(root.resolve("mvnw"))) {
      root = root.getParent();
    }
    return root.resolveSibling("shared");
  }
}
