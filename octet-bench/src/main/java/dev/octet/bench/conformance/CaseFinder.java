package dev.octet.bench.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import java.util.stream.Stream;

/** Finds the cases that a command line names. */
public final class CaseFinder {
  private CaseFinder() {}

  /**
   * The case directories under {@code paths}: each is one case, or a directory of cases, listed in
   * its {@code manifest.json} or, without one, every subdirectory that has a {@code case.json}.
   *
   * @param globs case names to keep, {@code *} and {@code ?} allowed; empty: all
   * @throws IllegalArgumentException if a path is absent, or nothing is found
   */
  public static List<Path> find(List<Path> paths, List<String> globs) {
    List<PathMatcher> matchers = new ArrayList<>();
    for (String glob : globs) {
      matchers.add(matcher(glob));
    }
    SequencedSet<Path> found = new LinkedHashSet<>();
    for (Path path : paths) {
      List<Path> cases = casesIn(path.toAbsolutePath().normalize());
      if (cases.isEmpty()) {
        throw new IllegalArgumentException(
            path
                + ": no case here; expected case.json, manifest.json or directories with case.json");
      }
      found.addAll(cases);
    }
    List<Path> kept =
        found.stream()
            .filter(
                p ->
                    matchers.isEmpty()
                        || matchers.stream().anyMatch(m -> m.matches(p.getFileName())))
            .toList();
    if (kept.isEmpty()) {
      throw new IllegalArgumentException(
          "none of " + found.size() + " cases matches " + String.join(", ", globs));
    }
    return kept;
  }

  private static PathMatcher matcher(String glob) {
    try {
      return FileSystems.getDefault().getPathMatcher("glob:" + glob);
    } catch (java.util.regex.PatternSyntaxException e) {
      throw new IllegalArgumentException("filter '" + glob + "': " + e.getDescription(), e);
    }
  }

  private static List<Path> casesIn(Path path) {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException(path + ": no such file or directory");
    }
    if (Files.isRegularFile(path)) {
      Path parent = path.getParent();
      return path.endsWith("case.json") && parent != null ? List.of(parent) : List.of();
    }
    if (Files.exists(path.resolve("case.json"))) {
      return List.of(path);
    }
    Path manifest = path.resolve("manifest.json");
    return Files.exists(manifest) ? listed(path, manifest) : subdirectories(path);
  }

  private static List<Path> listed(Path path, Path manifest) {
    List<Path> cases = new ArrayList<>();
    try {
      for (CaseJson item : CaseJson.read(manifest).objects("cases")) {
        Path directory = path.resolve(item.text("id")).normalize();
        if (!path.equals(directory.getParent())) {
          throw new CaseException(manifest + ": '" + item.text("id") + "' is no case name");
        }
        cases.add(directory);
      }
    } catch (CaseException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
    return cases;
  }

  private static List<Path> subdirectories(Path path) {
    try (Stream<Path> children = Files.list(path)) {
      return children.filter(p -> Files.exists(p.resolve("case.json"))).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be listed", e);
    }
  }
}
