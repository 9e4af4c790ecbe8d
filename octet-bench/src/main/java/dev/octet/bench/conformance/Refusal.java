package dev.octet.bench.conformance;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Whether an error about broken input is one that helps: one line that names file and problem. */
final class Refusal {
  private Refusal() {}

  /** What is wrong with {@code thrown} as the answer to opening {@code open}; empty if nothing. */
  static Optional<String> flaw(Path open, Throwable thrown) {
    if (!(thrown instanceof CheckpointException)) {
      return Optional.of("raised " + thrown + " instead of a checkpoint error");
    }
    String message = String.valueOf(thrown.getMessage());
    if (message.lines().count() > 1) {
      return Optional.of("the error is of several lines: " + message);
    }
    String rest = message;
    for (String name : names(open)) {
      rest = rest.replace(name, "");
    }
    if (rest.equals(message)) {
      return Optional.of("the error does not name the file: " + message);
    }
    // What is left after the path has to say something.
    return rest.chars().filter(Character::isLetter).count() < 8
        ? Optional.of("the error does not say what is wrong: " + message)
        : Optional.empty();
  }

  /** Names by which an error may speak of a file, or of a directory or a file in it. */
  private static List<String> names(Path open) {
    String whole = open.toString();
    if (!Files.isDirectory(open)) {
      return List.of(whole, String.valueOf(open.getFileName()));
    }
    try (Stream<Path> files = Files.list(open)) {
      return Stream.concat(
              Stream.of(whole, "config.json", "model.safetensors"),
              files.map(f -> String.valueOf(f.getFileName())))
          .toList();
    } catch (IOException e) {
      throw new CaseException(open + ": cannot be listed: " + e.getMessage());
    }
  }
}
