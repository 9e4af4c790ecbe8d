package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What the header of a GGUF file says: metadata, and where each tensor lies. Everything is checked
 * against the file's size; nothing is allocated because the file declares a size.
 *
 * @param version 2 or 3
 * @param metadata by key
 * @param tensors in the order of the file
 */
public record GgufHeader(
    int version, SortedMap<String, GgufValue> metadata, List<GgufTensor> tensors) {
  private static final int MAGIC = 0x46554747; // "GGUF", little-endian
  private static final int MAX_DIMENSIONS = 4;
  private static final int MAX_NAME = 64;
  private static final int MAX_ARRAY_DEPTH = 4;
  private static final long DEFAULT_ALIGNMENT = 32;
  private static final long MAX_ALIGNMENT = 1 << 20;

  /** Bytes that a metadata entry and a tensor take at least. */
  private static final long LEAST_ENTRY = 8 + 4 + 1;

  private static final long LEAST_TENSOR = 8 + 4 + 4 + 8;

  public GgufHeader {
    metadata = Collections.unmodifiableSortedMap(new TreeMap<>(metadata));
    tensors = List.copyOf(tensors);
  }

  /** {@code general.architecture}; empty if the file does not say. */
  public String architecture() {
    return metadata.get("general.architecture") instanceof GgufValue.Text t ? t.value() : "";
  }

  /** Whether a file's name says that it is GGUF. */
  public static boolean named(Path file) {
    return file.toString().toLowerCase(Locale.ROOT).endsWith(".gguf");
  }

  /**
   * Reads and checks the header of {@code file}.
   *
   * @throws CheckpointException if it cannot be read or breaks a rule of the format
   */
  public static GgufHeader read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          file + ": " + (Files.exists(file) ? "not a regular file" : "no such file"));
    }
    try (Arena arena = Arena.ofConfined();
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return parse(file, all);
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Texts.reason(e), e);
    }
  }

  /** Reads and checks the header of a mapped file. */
  static GgufHeader parse(Path file, MemorySegment all) {
    return parse(new GgufCursor(file.toString(), all), all.byteSize());
  }

  private static GgufHeader parse(GgufCursor in, long fileSize) {
    if (in.remaining() < 4 || in.u32("the magic number") != MAGIC) {
      throw in.error("does not begin with 'GGUF': not a GGUF file");
    }
    int version = in.u32("the version");
    if (version != 2 && version != 3) {
      String hint = Integer.reverseBytes(version) == 3 ? " (a big-endian file)" : "";
      throw in.error(
          "GGUF version " + Integer.toUnsignedString(version) + hint + "; 2 and 3 are known");
    }
    long tensorCount = in.count("a number of tensors", LEAST_TENSOR);
    long entryCount = in.count("a number of metadata entries", LEAST_ENTRY);
    SortedMap<String, GgufValue> metadata = new TreeMap<>();
    for (long i = 0; i < entryCount; i++) {
      String key = in.text("the key of metadata entry " + i);
      String what = "metadata " + Texts.quote(key);
      if (metadata.put(key, value(in, in.u32(what), what)) != null) {
        throw in.error(what + " is there twice");
      }
    }
    return new GgufHeader(
        version, metadata, tensors(in, tensorCount, alignment(in, metadata), fileSize));
  }

  static GgufValue value(GgufCursor in, int type, String what) {
    return switch (type) {
      case 0 -> new GgufValue.Whole(in.u8(what) & 0xFF);
      case 1 -> new GgufValue.Whole(in.u8(what));
      case 2 -> new GgufValue.Whole(in.u16(what) & 0xFFFF);
      case 3 -> new GgufValue.Whole(in.u16(what));
      case 4 -> new GgufValue.Whole(in.u32(what) & 0xFFFFFFFFL);
      case 5 -> new GgufValue.Whole(in.u32(what));
      case 6 -> new GgufValue.Real(in.f32(what));
      case 7 -> new GgufValue.Flag(in.u8(what) != 0);
      case 8 -> new GgufValue.Text(in.text(what));
      case 9 -> array(in, what, 1);
      case 10, 11 -> new GgufValue.Whole(in.u64(what));
      case 12 -> new GgufValue.Real(in.f64(what));
      default -> throw in.error(what + " has unknown type " + Integer.toUnsignedString(type));
    };
  }

  /** Walks over an array; only what it is made of and where it lies are kept. */
  private static GgufValue.Many array(GgufCursor in, String what, int depth) {
    if (depth > MAX_ARRAY_DEPTH) {
      throw in.error(what + ": arrays nested deeper than " + MAX_ARRAY_DEPTH);
    }
    int type = in.u32(what);
    long size =
        switch (type) {
          case 0, 1, 7 -> 1;
          case 2, 3 -> 2;
          case 4, 5, 6 -> 4;
          case 8, 10, 11, 12 -> 8;
          case 9 -> 12;
          default -> throw in.error(what + " has unknown type " + Integer.toUnsignedString(type));
        };
    long length = in.count("length of " + what, size);
    GgufValue.Many many = new GgufValue.Many(type, length, in.position());
    if (type != 8 && type != 9) {
      in.skip(length * size, what);
      return many;
    }
    for (long i = 0; i < length; i++) {
      if (type == 9) {
        array(in, what, depth + 1);
      } else {
        in.skip(in.count("length of a text in " + what, 1), what);
      }
    }
    return many;
  }

  private static long alignment(GgufCursor in, SortedMap<String, GgufValue> metadata) {
    GgufValue value = metadata.get("general.alignment");
    if (value == null) {
      return DEFAULT_ALIGNMENT;
    }
    if (value instanceof GgufValue.Whole(long a)
        && a >= 1
        && a <= MAX_ALIGNMENT
        && Long.bitCount(a) == 1) {
      return a;
    }
    throw in.error("general.alignment is " + value + ", it must be a power of two");
  }

  private static List<GgufTensor> tensors(
      GgufCursor in, long count, long alignment, long fileSize) {
    List<GgufTensor> relative = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (long i = 0; i < count; i++) {
      String name = in.text("the name of tensor " + i);
      if (name.length() > MAX_NAME || !names.add(name)) {
        throw in.error(
            "tensor "
                + Texts.quote(name)
                + (name.length() > MAX_NAME
                    ? ": name longer than " + MAX_NAME
                    : " is there twice"));
      }
      relative.add(tensor(in, name, alignment));
    }
    long start = Math.ceilDiv(in.position(), alignment) * alignment;
    List<GgufTensor> tensors = new ArrayList<>();
    for (GgufTensor t : relative) {
      // offset and byteSize are below 2^63 each, so compare without adding them
      long room = fileSize - start - t.offset();
      if (t.offset() > fileSize - start || t.byteSize() > room) {
        throw in.error(
            "tensor %s: %d bytes from byte %d of the data on, the file has %d there (cut off?)"
                .formatted(Texts.quote(t.name()), t.byteSize(), t.offset(), Math.max(0, room)));
      }
      tensors.add(new GgufTensor(t.name(), t.shape(), t.type(), start + t.offset(), t.byteSize()));
    }
    requireNoOverlap(in, tensors);
    return tensors;
  }

  private static GgufTensor tensor(GgufCursor in, String name, long alignment) {
    String what = "tensor " + Texts.quote(name);
    int rank = in.u32(what);
    if (rank < 0 || rank > MAX_DIMENSIONS) {
      throw in.error(
          what
              + " has "
              + Integer.toUnsignedString(rank)
              + " dimensions, at most "
              + MAX_DIMENSIONS);
    }
    long[] shape = new long[rank];
    for (int d = rank - 1; d >= 0; d--) {
      shape[d] = in.u64(what);
    }
    int id = in.u32(what);
    GgufType type =
        GgufType.of(id)
            .orElseThrow(() -> in.error(what + ": unknown type " + Integer.toUnsignedString(id)));
    long offset = in.u64(what);
    if (offset < 0 || offset % alignment != 0) {
      throw in.error(
          "%s: offset %s must be a multiple of the alignment %d within the file"
              .formatted(what, Long.toUnsignedString(offset), alignment));
    }
    return new GgufTensor(name, shape, type, offset, byteSize(in, what, shape, type));
  }

  private static long byteSize(GgufCursor in, String what, long[] shape, GgufType type) {
    long row = shape.length == 0 ? 1 : shape[shape.length - 1];
    if (row % type.blockElements() != 0) {
      throw in.error(
          "%s: rows of %d elements are no whole blocks of %d (%s)"
              .formatted(what, row, type.blockElements(), type));
    }
    try {
      long bytes = Math.multiplyExact(row / type.blockElements(), (long) type.blockBytes());
      for (int d = 0; d < shape.length; d++) {
        if (shape[d] < 1) {
          throw in.error(what + ": dimension of " + Long.toUnsignedString(shape[d]));
        }
        bytes = d == shape.length - 1 ? bytes : Math.multiplyExact(bytes, shape[d]);
      }
      return bytes;
    } catch (ArithmeticException e) {
      throw in.error(what + ": its size overflows (" + e.getMessage() + ")");
    }
  }

  private static void requireNoOverlap(GgufCursor in, List<GgufTensor> tensors) {
    List<GgufTensor> sorted =
        tensors.stream().sorted(Comparator.comparingLong(GgufTensor::offset)).toList();
    for (int i = 1; i < sorted.size(); i++) {
      GgufTensor before = sorted.get(i - 1);
      if (before.offset() + before.byteSize() > sorted.get(i).offset()) {
        throw in.error(
            "tensors %s and %s overlap"
                .formatted(Texts.quote(before.name()), Texts.quote(sorted.get(i).name())));
      }
    }
  }
}
