package dev.octet.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A memory-mapped safetensors file: {@code u64 N}, N bytes of JSON, data to the end of the file.
 * Tensors are views of the mapping, of any alignment, and live until {@link #close}; any thread may
 * read them. A header is checked whole before a tensor is handed out, and nothing is allocated
 * because a file declares a size.
 */
public final class SafetensorsFile implements AutoCloseable {
  /** The longest header that the format allows, in bytes. */
  public static final long MAX_HEADER = 100_000_000;

  private final Path file;
  private final Arena arena;
  private final MemorySegment mapped;
  private final long headerBytes;
  private final SortedMap<String, Tensor> tensors;
  private final Map<String, String> metadata;

  private SafetensorsFile(
      Path file, Arena arena, MemorySegment mapped, long headerBytes, SafetensorsHeader header) {
    this.file = file;
    this.arena = arena;
    this.mapped = mapped;
    this.headerBytes = headerBytes;
    MemorySegment data = mapped.asSlice(8 + headerBytes);
    SortedMap<String, Tensor> map = new TreeMap<>();
    for (SafetensorsHeader.Entry e : header.entries()) {
      MemorySegment bytes = data.asSlice(e.begin(), e.end() - e.begin());
      map.put(e.name(), Tensor.of(e.dtype(), bytes, e.shape()));
    }
    this.tensors = Collections.unmodifiableSortedMap(map);
    this.metadata = Map.copyOf(header.metadata());
  }

  /**
   * Maps and checks a file.
   *
   * @throws CheckpointException if it cannot be read or breaks a rule of the format
   */
  public static SafetensorsFile open(Path file) {
    Arena arena = Arena.ofShared();
    try {
      return read(file, arena);
    } catch (IOException e) {
      arena.close();
      throw new CheckpointException(file + ": cannot be read: " + Texts.reason(e), e);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static SafetensorsFile read(Path file, Arena arena) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
    }
    MemorySegment all;
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < 8) {
        throw new CheckpointException(
            file + ": " + size + " bytes are too short for a safetensors file");
      }
      all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
      if (channel.size() != size) {
        throw new CheckpointException(file + ": changed while it was opened");
      }
    }
    long headerBytes = all.get(JAVA_LONG_UNALIGNED, 0);
    long rest = all.byteSize() - 8;
    if (Long.compareUnsigned(headerBytes, MAX_HEADER) > 0) {
      throw new CheckpointException(
          "%s: header of %s bytes, at most %d are allowed: not a safetensors file?"
              .formatted(file, Long.toUnsignedString(headerBytes), MAX_HEADER));
    }
    if (headerBytes > rest) {
      throw new CheckpointException(
          "%s: header of %d bytes, only %d follow (cut off?)".formatted(file, headerBytes, rest));
    }
    String where = file.toString();
    ByteBuffer json = all.asSlice(8, headerBytes).asByteBuffer();
    SafetensorsHeader header = SafetensorsHeader.parse(where, json, rest - headerBytes);
    return new SafetensorsFile(file, arena, all, headerBytes, header);
  }

  /** The file as it was named when opened. */
  public Path file() {
    return file;
  }

  /** Length of the JSON header in bytes. */
  public long headerBytes() {
    return headerBytes;
  }

  /** All tensors by name. */
  public SortedMap<String, Tensor> tensors() {
    return tensors;
  }

  /** The tensor of that name. */
  public Tensor tensor(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(file + ": has no tensor '" + name + "'");
    }
    return tensor;
  }

  /** Where the bytes of {@code tensor} lie; empty if it is no view of this file. */
  public Optional<TensorPlace> place(Tensor tensor) {
    MemorySegment segment = tensor.segment();
    long position = segment.address() - mapped.address();
    boolean inside =
        segment.isMapped() && position >= 0 && position <= mapped.byteSize() - segment.byteSize();
    return inside ? Optional.of(new TensorPlace(file, position)) : Optional.empty();
  }

  /** The {@code __metadata__} of the header; empty if there is none. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** Unmaps the file; its tensors must not be used any more. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
