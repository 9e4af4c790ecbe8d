package dev.octet.checkpoint.internal;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** Reads a file piece by piece into the same memory, past the page cache where there is a way. */
public final class FilePieces implements AutoCloseable {
  /** Bytes of a piece. */
  private static final long PIECE = 8L << 20;

  private final Arena arena = Arena.ofShared();
  private final @Nullable DirectFile direct;
  private final @Nullable FileChannel channel;
  private final MemorySegment buffer;

  private FilePieces(Path file) throws IOException {
    this.direct = DirectFile.forReading(file);
    this.channel = direct == null ? FileChannel.open(file, StandardOpenOption.READ) : null;
    this.buffer = direct == null ? arena.allocate(PIECE) : direct.allocate(PIECE, arena);
  }

  public static FilePieces open(Path file) throws IOException {
    return new FilePieces(file);
  }

  /**
   * The bytes from {@code position} on, as many as a piece holds of {@code wanted}; until the next
   * call.
   */
  public MemorySegment read(long position, long wanted) throws IOException {
    long length = Math.min(PIECE, wanted);
    if (direct != null) {
      return direct.read(position, length, buffer);
    }
    ByteBuffer into = buffer.asSlice(0, length).asByteBuffer();
    while (channel != null && into.hasRemaining()) {
      if (channel.read(into, position + into.position()) < 0) {
        throw new EOFException("it has become shorter");
      }
    }
    return buffer.asSlice(0, length);
  }

  @Override
  public void close() throws IOException {
    arena.close();
    if (direct != null) {
      direct.close();
    }
    if (channel != null) {
      channel.close();
    }
  }
}
