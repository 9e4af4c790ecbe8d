package dev.octet.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** The folder of shared test data beside the repository; tests that need it are skipped without. */
public final class Shared {
  private Shared() {}

  /** Skips the test if there is no such folder: to be called before a lambda that must throw. */
  public static void require() {
    path("");
  }

  /** A path below the folder. */
  public static Path path(String relative) {
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

  /** The conformance cases whose name begins so. */
  public static List<Path> cases(String prefix) {
    try (Stream<Path> all = Files.list(path("conformance"))) {
      return all.filter(p -> p.getFileName().toString().startsWith(prefix)).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
