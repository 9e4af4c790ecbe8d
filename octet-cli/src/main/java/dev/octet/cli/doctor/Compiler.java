package dev.octet.cli.doctor;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * A C compiler.
 *
 * @param path the program
 * @param version first line of what it says of itself
 */
record Compiler(Path path, String version) {
  private static final List<String> NAMES = List.of("cc", "gcc", "clang");
  private static final int SECONDS = 5;

  /** The compiler named by {@code CC}, else the first of the usual names on the path. */
  static Optional<Compiler> find(Map<String, String> environment) {
    List<String> names = new ArrayList<>(NAMES);
    String given = environment.getOrDefault("CC", "");
    if (!given.isBlank()) {
      names.addFirst(given.strip());
    }
    return names.stream()
        .flatMap(name -> locate(name, environment.getOrDefault("PATH", "")).stream())
        .flatMap(path -> ask(path).stream())
        .findFirst();
  }

  private static Optional<Path> locate(String name, String path) {
    return Arrays.stream(path.split(Pattern.quote(File.pathSeparator), -1))
        .map(directory -> new File(directory, name))
        .filter(file -> file.isFile() && file.canExecute())
        .map(File::toPath)
        .findFirst();
  }

  private static Optional<Compiler> ask(Path program) {
    try {
      Process process =
          new ProcessBuilder(program.toString(), "--version").redirectErrorStream(true).start();
      if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return Optional.empty();
      }
      String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return process.exitValue() == 0
          ? text.lines().findFirst().map(line -> new Compiler(program, line))
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty(); // found, but does not run
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }
}
