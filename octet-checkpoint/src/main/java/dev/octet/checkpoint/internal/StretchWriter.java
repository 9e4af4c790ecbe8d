package dev.octet.checkpoint.internal;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Writes stretches of bytes anywhere into a new file: long ones past the page cache, as far as they
 * fill whole blocks, all else as usual. The two never touch the same block.
 */
final class StretchWriter implements AutoCloseable {
  /** Bytes copied into aligned memory at a time. */
  private static final long STAGE = 8L << 20;

  private static final long CHUNK = 1L << 26;

  private final Path file;
  private final FileChannel channel;
  private final Arena arena = Arena.ofShared();
  private boolean tried;
  private @Nullable DirectFile direct;
  private MemorySegment stage = MemorySegment.NULL;

  /**
   * @param channel of {@code file}, for writing; stays the caller's
   */
  StretchWriter(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  void write(MemorySegment bytes, long position) throws IOException {
    DirectFile past = bytes.byteSize() < DirectFile.WORTHWHILE ? null : direct();
    if (past == null) {
      buffered(bytes, position);
      return;
    }
    long block = past.block();
    long first = (position + block - 1 & -block) - position;
    long after = (position + bytes.byteSize() & -block) - position;
    buffered(bytes.asSlice(0, first), position);
    for (long at = first; at < after; at += STAGE) {
      long length = Math.min(STAGE, after - at);
      MemorySegment.copy(bytes, at, stage, 0, length);
      past.write(stage.asSlice(0, length), position + at);
    }
    buffered(bytes.asSlice(after), position + after);
  }

  private @Nullable DirectFile direct() {
    if (!tried) {
      tried = true;
      direct = DirectFile.forWriting(file);
      stage = direct == null ? stage : direct.allocate(STAGE, arena);
    }
    return direct;
  }

  private void buffered(MemorySegment bytes, long position) throws IOException {
    for (long from = 0; from < bytes.byteSize(); from += CHUNK) {
      long length = Math.min(CHUNK, bytes.byteSize() - from);
      ByteBuffer rest = bytes.asSlice(from, length).asByteBuffer();
      long at = position + from;
      while (rest.hasRemaining()) {
        at += channel.write(rest, at);
      }
    }
  }

  @Override
  public void close() {
    if (direct != null) {
      direct.close();
    }
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
