package dev.octet.train;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Gives a finished file its name. */
final class PlainFile {
  private PlainFile() {}

  /**
   * Refuses a name that a rename must not take: a device, a pipe or a directory would be replaced
   * by a file, or what it links to forgotten.
   */
  static void requireReplaceable(Path target) throws IOException {
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      throw new FileSystemException(target.toString(), null, "what has this name is no plain file");
    }
  }

  /** Puts a complete file in the place of its predecessor, if there is one. */
  static void replace(Path complete, Path target) throws IOException {
    requireReplaceable(target);
    Files.move(
        complete, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }
}
