package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A memory-mapped GGUF model: one file, or all parts of a split one. Tensors are views of the
 * mapping and live until {@link #close}; any thread may read them. Headers are checked whole before
 * a tensor is handed out.
 */
public final class GgufFile implements AutoCloseable {
  private final Path file;
  private final Arena arena;
  private final GgufHeader header;
  private final GgufMetadata metadata;
  private final SortedMap<String, Stored> stored = new TreeMap<>();
  private final SortedMap<String, GgufTensor> tensors = new TreeMap<>();

  /** A tensor with the file it is in and its bytes. */
  private record Stored(Path file, GgufTensor tensor, MemorySegment bytes) {}

  private GgufFile(List<Path> parts, Arena arena) throws IOException {
    this.file = parts.getFirst();
    this.arena = arena;
    MemorySegment first = map(file, arena);
    this.header = GgufHeader.parse(file, first);
    this.metadata = new GgufMetadata(file, first, header.metadata());
    add(file, header, first);
    for (int i = 1; i < parts.size(); i++) {
      MemorySegment bytes = map(parts.get(i), arena);
      GgufHeader part = GgufHeader.parse(parts.get(i), bytes);
      requirePart(new GgufMetadata(parts.get(i), bytes, part.metadata()), i);
      add(parts.get(i), part, bytes);
    }
    requireWhole(parts.size());
    stored.forEach((name, s) -> tensors.put(name, s.tensor()));
  }

  /**
   * Maps and checks a model.
   *
   * @param file the file, or any part of a split model: all are opened
   * @throws CheckpointException if it cannot be read or breaks a rule of the format
   */
  public static GgufFile open(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
    }
    List<Path> parts = GgufParts.all(file);
    Arena arena = Arena.ofShared();
    try {
      return new GgufFile(parts, arena);
    } catch (IOException e) {
      arena.close();
      throw new CheckpointException(file + ": cannot be read: " + Texts.reason(e), e);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static MemorySegment map(Path file, Arena arena) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    }
  }

  private void add(Path from, GgufHeader part, MemorySegment bytes) {
    for (GgufTensor t : part.tensors()) {
      MemorySegment data = bytes.asSlice(t.offset(), t.byteSize());
      Stored other = stored.put(t.name(), new Stored(from, t, data));
      if (other != null) {
        throw new CheckpointException(
            "%s: tensor %s is in %s too".formatted(from, Texts.quote(t.name()), other.file()));
      }
    }
  }

  private static void requirePart(GgufMetadata part, int number) {
    int no = part.integer("split.no", 0, 65535).orElse(number);
    if (no != number) {
      throw part.problem("split.no", "is %d in part %d".formatted(no, number + 1));
    }
  }

  private void requireWhole(int parts) {
    int count = metadata.integer("split.count", 0, 65535).orElse(0);
    if (count > 1 && count != parts) {
      throw metadata.problem(
          "split.count",
          "is %d, but the name says %d: parts are named name-00001-of-%05d.gguf"
              .formatted(count, parts, count));
    }
    int expected = metadata.integer("split.tensors.count", 0, Integer.MAX_VALUE).orElse(0);
    if (count > 1 && expected != 0 && expected != stored.size()) {
      throw metadata.problem(
          "split.tensors.count", "is %d, the parts hold %d".formatted(expected, stored.size()));
    }
  }

  /** The file, or the first part. */
  public Path file() {
    return file;
  }

  /** The header of the file or first part. */
  public GgufHeader header() {
    return header;
  }

  /** The metadata of the file or first part. */
  public GgufMetadata metadata() {
    return metadata;
  }

  /** All tensors by name, of all parts. */
  public SortedMap<String, GgufTensor> tensors() {
    return Collections.unmodifiableSortedMap(tensors);
  }

  public boolean has(String name) {
    return stored.containsKey(name);
  }

  private Stored require(String name) {
    Stored s = stored.get(name);
    if (s == null) {
      throw new CheckpointException("%s: tensor %s is missing".formatted(file, Texts.quote(name)));
    }
    return s;
  }

  /** An error about a tensor. */
  public CheckpointException problem(String name, String what) {
    return new CheckpointException(message(name, what));
  }

  private String message(String name, String what) {
    Stored s = stored.get(name);
    return "%s: tensor %s %s"
        .formatted(s == null ? file : s.file(), Texts.quote(name), Texts.shorten(what));
  }

  /**
   * Refuses a tensor that is absent, of another shape or of a type that is not read.
   *
   * @param shape slowest dimension first
   */
  public void requireReadable(String name, long... shape) {
    GgufTensor t = require(name).tensor();
    if (!Arrays.equals(t.shape(), shape)) {
      throw problem(
          name,
          "is %s %s, expected shape %s"
              .formatted(t.type(), Arrays.toString(t.shape()), Arrays.toString(shape)));
    }
    if (dense(t.type()) == null && BlockForm.of(t.type()).isEmpty()) {
      throw new UnsupportedCheckpointException(
          message(
              name,
              "is of type %s; read are F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 and Q2_K to Q6_K"
                  .formatted(t.type())));
    }
  }

  /** The element type of a type without blocks that is read; null for another. */
  private static @Nullable DType dense(GgufType type) {
    return switch (type) {
      case F32 -> DType.F32;
      case F16 -> DType.F16;
      case BF16 -> DType.BF16;
      default -> null;
    };
  }

  /** An unquantized tensor as it is stored; empty for one in blocks. */
  public Optional<Tensor> dense(String name) {
    Stored s = require(name);
    DType type = dense(s.tensor().type());
    return type == null
        ? Optional.empty()
        : Optional.of(Tensor.of(type, s.bytes(), s.tensor().shape()));
  }

  /** A tensor as it lies in the file: U8, one block row a row, where it is in blocks. */
  public Tensor raw(String name) {
    return dense(name)
        .orElseGet(
            () -> {
              Stored s = require(name);
              return Tensor.of(DType.U8, s.bytes(), s.bytes().byteSize());
            });
  }

  /**
   * A matrix read row by row from where it is mapped, in the order of the file.
   *
   * @throws CheckpointException if it is none, or of a type that is not read
   */
  public RowTable rows(String name) {
    GgufTensor t = requireMatrix(name);
    Optional<Tensor> values = dense(name);
    return values.isPresent()
        ? new DenseWeight(values.get())
        : new MappedBlocks(form(t), t, require(name).bytes());
  }

  /**
   * A matrix in the canonical form of its type.
   *
   * @param order which row of the file each row is
   * @throws CheckpointException if it is none, of a type that is not read, or damaged
   */
  public QuantizedWeight weight(String name, RowOrder order) {
    GgufTensor t = requireMatrix(name);
    Optional<Tensor> values = dense(name);
    if (values.isPresent()) {
      return new DenseWeight(order.apply(values.get()));
    }
    try {
      return new BlockReader(form(t), require(name).bytes(), t.shape(), order).read();
    } catch (IllegalArgumentException e) {
      throw problem(name, "is damaged: " + e.getMessage());
    }
  }

  private GgufTensor requireMatrix(String name) {
    GgufTensor t = require(name).tensor();
    if (t.shape().length != 2 || t.shape()[1] > Integer.MAX_VALUE - 8) {
      throw problem(name, "is no matrix: " + Arrays.toString(t.shape()));
    }
    requireReadable(name, t.shape());
    return t;
  }

  private static BlockForm form(GgufTensor t) {
    return BlockForm.of(t.type()).orElseThrow();
  }

  @Override
  public void close() {
    arena.close();
  }
}
