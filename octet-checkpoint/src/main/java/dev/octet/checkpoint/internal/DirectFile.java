package dev.octet.checkpoint.internal;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * A file read or written past the system's page cache ({@code O_DIRECT} of open(2)). What passes
 * through once, as a checkpoint does while it is quantized, would only push out of the cache what
 * is needed again, and filling the cache costs more than a fast disk does. Such transfers begin and
 * end at whole blocks of file and memory.
 */
public final class DirectFile implements AutoCloseable {
  /** From this size on it pays. */
  public static final long WORTHWHILE = 1L << 20;

  /** {@code ExtendedOpenOption.DIRECT}, which javac does not let pass by name without a warning. */
  private static final @Nullable OpenOption DIRECT = option();

  private static final long LARGEST_BLOCK = 1L << 16;

  /** Bytes that one call transfers: far beyond the latency of a request, below 2³¹. */
  private static final long CHUNK = 1L << 26;

  private final FileChannel channel;
  private final long block;

  private DirectFile(FileChannel channel, long block) {
    this.channel = channel;
    this.block = block;
  }

  private static @Nullable OpenOption option() {
    try {
      Class<?> options = Class.forName("com.sun.nio.file.ExtendedOpenOption");
      for (Object constant : options.getEnumConstants()) {
        if (constant instanceof OpenOption option && constant.toString().equals("DIRECT")) {
          return option;
        }
      }
      return null;
    } catch (ClassNotFoundException e) {
      return null; // a VM without it writes and reads the ordinary way
    }
  }

  /** Opens a file for reading; null where system or file system cannot do it this way. */
  public static @Nullable DirectFile forReading(Path file) {
    return open(file, StandardOpenOption.READ);
  }

  /** Opens an existing file for writing; null where system or file system cannot. */
  public static @Nullable DirectFile forWriting(Path file) {
    return open(file, StandardOpenOption.WRITE);
  }

  private static @Nullable DirectFile open(Path file, OpenOption access) {
    try {
      long block = Files.getFileStore(file).getBlockSize();
      if (DIRECT == null || block < 1 || block > LARGEST_BLOCK || Long.bitCount(block) != 1) {
        return null;
      }
      return new DirectFile(FileChannel.open(file, access, DIRECT), block);
    } catch (IOException | UnsupportedOperationException e) {
      return null; // the ordinary way says what is wrong, if anything is
    }
  }

  /** What offsets in file and memory, and lengths, are multiples of. */
  public long block() {
    return block;
  }

  /** Memory that transfers of up to {@code bytes}, at any position of the file, fit in. */
  public MemorySegment allocate(long bytes, Arena arena) {
    return arena.allocate(Math.addExact(roundUp(bytes), block), block);
  }

  private long roundUp(long bytes) {
    return Math.addExact(bytes, block - 1) & -block;
  }

  /**
   * Reads {@code length} bytes from {@code position} on into {@code buffer}, which {@link
   * #allocate} has made for as many; returns the part of it that they fill.
   */
  public MemorySegment read(long position, long length, MemorySegment buffer) throws IOException {
    long first = position & -block;
    long skip = position - first;
    long wanted = roundUp(skip + length);
    long done = 0;
    while (done < skip + length) {
      MemorySegment into = buffer.asSlice(done, Math.min(CHUNK, wanted - done));
      int count = channel.read(into.asByteBuffer(), first + done);
      if (count <= 0 || (count % block != 0 && done + count < skip + length)) {
        throw new EOFException("it has become shorter");
      }
      done += count;
    }
    return buffer.asSlice(skip, length);
  }

  /** Writes whole blocks of aligned memory. */
  public void write(MemorySegment blocks, long position) throws IOException {
    for (long done = 0; done < blocks.byteSize(); ) {
      long length = Math.min(CHUNK, blocks.byteSize() - done);
      int count = channel.write(blocks.asSlice(done, length).asByteBuffer(), position + done);
      if (count % block != 0) {
        throw new IOException("only a part of a block could be written");
      }
      done += count;
    }
  }

  /** Whoever forces what was written does so through a channel of the usual kind. */
  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
