package dev.octet.quantize;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** The folder of shared test data beside the repository; tests that need it are skipped without. */
final class Shared {
  private Shared() {}

  static Path path(String relative) {
    String override = System.getProperty("octet.shared");
    Path root = override == null ? beside(Path.of("").toAbsolutePath()) : Path.of(override);
    Assumptions.assumeTrue(Files.isDirectory(root), "no shared test data at " + root);
    return root.resolve(relative);
  }

  private static Path beside(Path start) {
    Path at = start;
    while (at.getParent() != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    return at.resolveSibling("shared");
  }
}
