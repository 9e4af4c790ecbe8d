package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.DirectFile;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Reads large tensors one after another, past the page cache and into the same memory, so that a
 * model that passes through takes the room of its largest tensor, not that of its files' pages.
 * Small tensors, and any that lie in no file, stay as they are.
 */
public final class TensorStream implements AutoCloseable {
  private final Function<Tensor, Optional<TensorPlace>> places;
  private final Map<Path, Optional<DirectFile>> files = new HashMap<>();
  private @Nullable Arena arena;
  private MemorySegment buffer = MemorySegment.NULL;

  /**
   * @param places where tensors lie, {@link Checkpoint#place} as a rule
   */
  public TensorStream(Function<Tensor, Optional<TensorPlace>> places) {
    this.places = places;
  }

  /**
   * The tensor with its content in memory. What was read before must not be used any more.
   *
   * @throws CheckpointException if the file cannot be read
   */
  public Tensor read(Tensor stored) {
    Optional<TensorPlace> place =
        stored.byteSize() < DirectFile.WORTHWHILE ? Optional.empty() : places.apply(stored);
    if (place.isEmpty() || !stored.isContiguous()) {
      return stored;
    }
    TensorPlace from = place.get();
    Optional<DirectFile> file =
        files.computeIfAbsent(from.file(), f -> Optional.ofNullable(DirectFile.forReading(f)));
    if (file.isEmpty()) {
      return stored;
    }
    try {
      long length = stored.byteSize();
      MemorySegment bytes = file.get().read(from.position(), length, roomFor(file.get(), length));
      return Tensor.of(stored.dtype(), bytes, stored.shape());
    } catch (IOException e) {
      throw new CheckpointException(from.file() + ": cannot be read: " + Texts.reason(e), e);
    }
  }

  private MemorySegment roomFor(DirectFile file, long bytes) {
    if (arena == null || buffer.byteSize() < bytes + 2 * file.block()) {
      free();
      arena = Arena.ofShared();
      buffer = file.allocate(bytes + file.block(), arena);
    }
    return buffer;
  }

  private void free() {
    if (arena != null) {
      arena.close();
      arena = null;
    }
  }

  @Override
  public void close() {
    free();
    files.values().forEach(file -> file.ifPresent(DirectFile::close));
    files.clear();
  }
}
