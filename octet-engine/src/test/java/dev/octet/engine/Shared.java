package dev.octet.engine;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** The folder of shared test data beside the repository; tests that need it are skipped without. */
final class Shared {
  private Shared() {}

  static Path path(String relative) {
    Path root = root();
    Assumptions.assumeTrue(Files.isDirectory(root), "no shared test data at " + root);
    return root.resolve(relative);
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
