package dev.octet.kernels.attention;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The folder {@code shared} beside the repository, or what {@code octet.shared} names. */
final class SharedFiles {
  private SharedFiles() {}

  static Optional<Path> conformance() {
    String given = System.getProperty("octet.shared");
    Path shared = given != null ? Path.of(given) : besideRepository();
    return Optional.ofNullable(shared)
        .map(p -> p.resolve("conformance"))
        .filter(Files::isDirectory);
  }

  private static @Nullable Path besideRepository() {
    Path at = Path.of("").toAbsolutePath();
    while (at != null && !Files.exists(at.resolve("mvnw"))) {
      at = at.getParent();
    }
    return at == null ? null : at.resolveSibling("shared");
  }
}
