package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Texts;
import dev.octet.checkpoint.internal.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A folder that goes, with all that is in it, when it is closed; links are deleted, never followed.
 *
 * @param path where it is
 */
public record ScratchFolder(Path path) implements AutoCloseable {
  /**
   * Makes one.
   *
   * @param parent where; null: where the system keeps temporary files
   * @param name what its own begins with
   * @throws CheckpointException if it cannot be made
   */
  public static ScratchFolder create(@Nullable Path parent, String name) {
    try {
      return new ScratchFolder(
          parent == null
              ? Files.createTempDirectory(name)
              : Files.createTempDirectory(parent, name));
    } catch (IOException e) {
      throw new CheckpointException(
          "%s: no temporary folder can be made: %s"
              .formatted(parent == null ? name : parent, Texts.reason(e)),
          e);
    }
  }

  /**
   * Deletes it if it is there.
   *
   * @throws CheckpointException if it cannot be deleted
   */
  @Override
  public void close() {
    try {
      if (Files.exists(path)) {
        Trees.delete(path);
      }
    } catch (IOException e) {
      throw new CheckpointException(path + ": cannot be deleted: " + Texts.reason(e), e);
    }
  }
}
