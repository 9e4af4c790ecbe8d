package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * A file that appears whole or not at all: written under a temporary name beside its target, forced
 * to the disk, renamed. Closed before {@link #commit}, it leaves nothing behind.
 */
public final class AtomicFile implements AutoCloseable {
  private final Path target;
  private final Path temporary;
  private final FileChannel channel;
  private final StretchWriter stretches;
  private boolean open = true;

  /**
   * Starts writing; an existing target stays as it is until {@link #commit}.
   *
   * @throws IOException if a device, a pipe or a directory has the target's name: the rename would
   *     put a file in its place
   */
  public AtomicFile(Path target) throws IOException {
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      throw new FileSystemException(target.toString(), null, "what has this name is no plain file");
    }
    this.target = target;
    String name = "." + target.getFileName() + "." + UUID.randomUUID() + ".tmp";
    this.temporary = target.resolveSibling(name);
    this.channel =
        FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    this.stretches = new StretchWriter(temporary, channel);
  }

  /** Where the content goes. */
  public FileChannel channel() {
    return channel;
  }

  /** Writes all of {@code bytes} at {@code position}; long stretches past the page cache. */
  public void write(MemorySegment bytes, long position) throws IOException {
    stretches.write(bytes, position);
  }

  /** Forces the content to the disk and gives the file its name. */
  public void commit() throws IOException {
    stretches.close();
    channel.force(true);
    channel.close();
    Files.move(
        temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    open = false;
    forceDirectory(target.toAbsolutePath().resolveSibling(""));
  }

  @Override
  public void close() throws IOException {
    if (open) {
      open = false;
      stretches.close();
      channel.close();
      Files.deleteIfExists(temporary);
    }
  }

  /** Writes a small file whole. */
  public static void write(Path target, byte[] content) {
    try (AtomicFile file = new AtomicFile(target)) {
      ByteBuffer buffer = ByteBuffer.wrap(content);
      while (buffer.hasRemaining()) {
        file.channel.write(buffer);
      }
      file.commit();
    } catch (IOException e) {
      throw new CheckpointException(target + ": cannot be written: " + Texts.reason(e), e);
    }
  }

  /** Makes a rename durable where the system can; elsewhere it is as durable as it gets. */
  private static void forceDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Windows cannot open directories; the rename itself has happened.
      return;
    }
  }
}
