package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The header of a GGUF file (ggml-org/ggml, {@code docs/gguf.md}), versions 2 and 3: metadata and
 * the table of tensors, all of it checked against the file. Weights are not read.
 *
 * @param file where it lies
 * @param version format version
 * @param metadata scalars as Java numbers, booleans and strings; arrays as {@link ArrayInfo}
 * @param tensors in the order of the file
 * @param dataStart first byte of the tensor data
 */
public record GgufFile(
    Path file, int version, Map<String, Object> metadata, List<TensorInfo> tensors, long dataStart) {
  private static final int MAGIC = 0x46554747; // "GGUF"
  private static final int MAX_NAME = 64;
  private static final int MAX_RANK = 4;
  private static final int MAX_ARRAY_DEPTH = 4;

  /**
   * A tensor.
   *
   * @param shape dimensions, slowest first (the file has them the other way round)
   * @param offset from {@link #dataStart}
   */
  public record TensorInfo(String name, GgufType type, List<Long> shape, long offset, long bytes) {}

  /** An array of the metadata: the id of its element type and its length. */
  public record ArrayInfo(int elementType, long length) {}

  /** The model family the file names, or an empty string. */
  public String architecture() {
    return metadata.get("general.architecture") instanceof String s ? s : "";
  }

  /**
   * Reads and checks a file's header.
   *
   * @throws CheckpointException if it cannot be read or is damaged
   */
  public static GgufFile open(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
    }
    try (Arena arena = Arena.ofConfined();
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      var bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return new Reader(file, new GgufCursor(bytes, file.toString())).read();
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static final class Reader {
    private final Path file;
    private final GgufCursor in;
    private final Map<String, Object> metadata = new LinkedHashMap<>();
    private final List<TensorInfo> tensors = new ArrayList<>();

    Reader(Path file, GgufCursor in) {
      this.file = file;
      this.in = in;
    }

    GgufFile read() {
      if (in.remaining() < 4 || in.readInt("magic") != MAGIC) {
        throw new CheckpointException(file + ": is no GGUF file: it does not begin with 'GGUF'");
      }
      int version = in.readInt("version");
      if (version != 2 && version != 3) {
        throw new CheckpointException(
            "%s: GGUF version %s; known are 2 and 3 (little-endian)"
                .formatted(file, Integer.toUnsignedString(version)));
      }
      long tensorCount = in.readCount("tensor count", 24);
      long entryCount = in.readCount("metadata count", 13);
      for (long i = 0; i < entryCount; i++) {
        readEntry();
      }
      long alignment = alignment();
      Set<String> names = new HashSet<>();
      for (long i = 0; i < tensorCount; i++) {
        TensorInfo tensor = readTensor(alignment);
        if (!names.add(tensor.name)) {
          throw problem(tensor.name, "is there twice");
        }
        tensors.add(tensor);
      }
      long dataStart = Math.ceilDiv(in.position(), alignment) * alignment;
      requireInFile(Math.max(0, in.position() + in.remaining() - dataStart));
      return new GgufFile(
          file,
          version,
          Collections.unmodifiableMap(metadata),
          List.copyOf(tensors),
          dataStart);
    }

    private void readEntry() {
      String key = in.readString("metadata key");
      int type = in.readInt("metadata type");
      if (metadata.put(key, readValue(key, type, 0)) != null) {
        throw new CheckpointException(file + ": metadata " + Texts.quote(key) + " is there twice");
      }
    }

    private Object readValue(String key, int type, int depth) {
      String what = "metadata " + Texts.quote(key);
      return switch (type) {
        case 0 -> in.readByte(what) & 0xFF;
        case 1 -> (int) in.readByte(what);
        case 2 -> in.readShort(what) & 0xFFFF;
        case 3 -> (int) in.readShort(what);
        case 4 -> in.readInt(what) & 0xFFFFFFFFL;
        case 5 -> in.readInt(what);
        case 6 -> in.readFloat(what);
        case 7 -> in.readByte(what) != 0;
        case 8 -> in.readString(what);
        case 9 -> readArray(key, what, depth);
        case 10, 11 -> in.readLong(what);
        case 12 -> in.readDouble(what);
        default ->
            throw new CheckpointException(
                "%s: %s has the unknown type %s"
                    .formatted(file, what, Integer.toUnsignedString(type)));
      };
    }

    private ArrayInfo readArray(String key, String what, int depth) {
      if (depth == MAX_ARRAY_DEPTH) {
        throw new CheckpointException(
            "%s: %s nests arrays deeper than %d".formatted(file, what, MAX_ARRAY_DEPTH));
      }
      int type = in.readInt(what);
      int size =
          switch (type) {
            case 0, 1, 7 -> 1;
            case 2, 3 -> 2;
            case 4, 5, 6 -> 4;
            case 8, 10, 11, 12 -> 8;
            case 9 -> 12;
            default ->
                throw new CheckpointException(
                    "%s: %s is an array of the unknown type %s"
                        .formatted(file, what, Integer.toUnsignedString(type)));
          };
      long length = in.readCount("array length of " + what, size);
      if (type != 8 && type != 9) {
        in.skip(length, size, what);
      } else {
        for (long i = 0; i < length; i++) {
          readValue(key, type, depth + 1);
        }
      }
      return new ArrayInfo(type, length);
    }

    private long alignment() {
      Object value = metadata.getOrDefault("general.alignment", 32L);
      if (!(value instanceof Long alignment) || alignment < 1 || Long.bitCount(alignment) != 1) {
        throw new CheckpointException(
            file + ": general.alignment is " + value + ", it must be a power of two");
      }
      return alignment;
    }

    private TensorInfo readTensor(long alignment) {
      String name = in.readString("tensor name");
      if (name.length() > MAX_NAME) {
        throw problem(name, "has a name of " + name.length() + " characters");
      }
      String what = "tensor " + Texts.quote(name);
      int rank = in.readInt(what);
      if (rank < 1 || rank > MAX_RANK) {
        throw problem(name, "has " + Integer.toUnsignedString(rank) + " dimensions, not 1 to 4");
      }
      List<Long> shape = new ArrayList<>();
      for (int i = 0; i < rank; i++) {
        shape.addFirst(in.readLong(what));
      }
      int id = in.readInt(what);
      GgufType type =
          GgufType.of(id)
              .orElseThrow(
                  () ->
                      problem(name, "has the unknown type " + Integer.toUnsignedString(id)));
      long offset = in.readLong(what);
      if (offset < 0 || offset % alignment != 0) {
        throw problem(
            name,
            "begins at %s, no multiple of %d"
                .formatted(Long.toUnsignedString(offset), alignment));
      }
      return new TensorInfo(name, type, List.copyOf(shape), offset, bytes(name, type, shape));
    }

    private long bytes(String name, GgufType type, List<Long> shape) {
      if (shape.getLast() % type.blockElements() != 0) {
        throw problem(
            name,
            "has rows of %d elements, no multiple of the %d of a %s block"
                .formatted(shape.getLast(), type.blockElements(), type));
      }
      long elements = 1;
      try {
        for (long d : shape) {
          if (d < 0) {
            throw problem(name, "has the dimensions " + shape);
          }
          elements = Math.multiplyExact(elements, d);
        }
        return Math.multiplyExact(elements / type.blockElements(), (long) type.blockBytes());
      } catch (ArithmeticException e) {
        throw new CheckpointException(
            "%s: tensor %s: the size of %s overflows".formatted(file, Texts.quote(name), shape), e);
      }
    }

    /** Every tensor lies in the file, and no two share bytes. */
    private void requireInFile(long dataBytes) {
      List<TensorInfo> sorted = new ArrayList<>(tensors);
      sorted.sort(Comparator.comparingLong(TensorInfo::offset).thenComparingLong(TensorInfo::bytes));
      long free = 0;
      for (TensorInfo tensor : sorted) {
        if (tensor.bytes > dataBytes - tensor.offset) {
          throw problem(
              tensor.name,
              "takes bytes %d to %s of the data, the file has %d (cut off?)"
                  .formatted(
                      tensor.offset,
                      Long.toUnsignedString(tensor.offset + tensor.bytes),
                      dataBytes));
        }
        if (tensor.offset < free) {
          throw problem(tensor.name, "shares bytes with another tensor");
        }
        free = tensor.offset + tensor.bytes;
      }
    }

    private CheckpointException problem(String name, String what) {
      return new CheckpointException(
          "%s: tensor %s %s".formatted(file, Texts.quote(name), what));
    }
  }
}
