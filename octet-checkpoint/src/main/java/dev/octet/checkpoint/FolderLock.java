package dev.octet.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Keeps a second run out of a folder in which one is at work. The system releases the lock with the
 * process however that ends, so that none is ever left to be removed by hand; the file stays until
 * {@link #delete}.
 */
public final class FolderLock implements AutoCloseable {
  private static final String NAME = "octet.lock";

  private final FileChannel channel;

  private FolderLock(FileChannel channel) {
    this.channel = channel;
  }

  /**
   * Takes the lock of a folder, which need not exist.
   *
   * @throws CheckpointException if another run has it
   * @throws IOException if the folder or the file cannot be made
   */
  public static FolderLock take(Path folder) throws IOException {
    Path file = folder.resolve(NAME);
    while (true) {
      Files.createDirectories(folder);
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (!lock(channel)) {
        channel.close();
        throw new CheckpointException(
            folder + ": another run is writing it; wait for that or choose another directory");
      }
      if (Files.exists(file)) {
        return new FolderLock(channel);
      }
      channel.close(); // the run that had it finished in between and took the file along
    }
  }

  private static boolean lock(FileChannel channel) {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false; // a run of this very process
    } catch (IOException e) {
      return true; // a file system without locks, as some network ones are: better than no run
    }
  }

  /** Whether a folder was begun by a run, whatever has become of it. */
  static boolean isIn(Path folder) {
    return Files.exists(folder.resolve(NAME));
  }

  /** Whether that is the file of the lock. */
  static boolean isFile(Path file) {
    return file.endsWith(NAME);
  }

  /** Deletes the file in what has become the result. */
  public static void delete(Path result) throws IOException {
    Files.deleteIfExists(result.resolve(NAME));
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // Nothing was written through it; the lock ends with the process at the latest.
    }
  }
}
