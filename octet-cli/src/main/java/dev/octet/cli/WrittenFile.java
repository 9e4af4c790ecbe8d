package dev.octet.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Files that are written once all is done, and asked about before anything is. */
final class WrittenFile {
  private WrittenFile() {}

  /**
   * Refuses a file that could not be written in the end.
   *
   * @param option which names it
   * @param file null: none is named
   */
  static void require(String option, @Nullable Path file) {
    if (file == null) {
      return;
    }
    Path folder = file.toAbsolutePath().normalize().getParent();
    if (Files.isDirectory(file)) {
      throw new CliException("%s: %s is a directory; name a file".formatted(option, file));
    }
    if (folder == null || !Files.isDirectory(folder)) {
      throw new CliException("%s: %s: no such folder %s".formatted(option, file, folder));
    }
    if (!Files.isWritable(folder)) {
      throw new CliException("%s: %s: %s is not writable".formatted(option, file, folder));
    }
  }
}
