package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.AtomicFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Small results that must not be lost: reports, recipes. */
public final class WholeFile {
  private WholeFile() {}

  /**
   * Writes a text in UTF-8. The file appears whole or not at all, in place of one that was there.
   *
   * @throws CheckpointException if it cannot be written, or if what has this name is no plain file
   */
  public static void write(Path file, String text) {
    AtomicFile.write(file, text.getBytes(StandardCharsets.UTF_8));
  }
}
