package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.AtomicFile;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.RowTable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Writes one GGUF file tensor by tensor. All tensors are declared first, which fixes the header;
 * their content may then come in any order, and is rounded to blocks a few rows at a time. The file
 * appears under its name only when {@link #finish} has found it complete; closed before that,
 * nothing is left.
 */
public final class GgufWriter implements AutoCloseable {
  private static final int ALIGNMENT = 32;

  /** Elements that are rounded before they are written. */
  private static final int CHUNK = 1 << 22;

  /**
   * A tensor that is to be written.
   *
   * @param name at most 64 bytes
   * @param type one that is written
   * @param shape slowest dimension first; one or two
   */
  public record Spec(String name, GgufType type, long... shape) {
    public Spec {
      shape = shape.clone();
      if (name.length() > 64 || shape.length < 1 || shape.length > 2) {
        throw new IllegalArgumentException(name + " cannot be written");
      }
      boolean written = BlockEncoder.of(type).isPresent() || type == GgufType.Q4_1;
      if (!written || shape[shape.length - 1] % type.blockElements() != 0) {
        throw new IllegalArgumentException(
            "%s: rows of %d cannot be written as %s"
                .formatted(name, shape[shape.length - 1], type));
      }
    }

    @Override
    public long[] shape() {
      return shape.clone();
    }

    long rows() {
      return shape.length == 1 ? 1 : shape[0];
    }

    int columns() {
      return Math.toIntExact(shape[shape.length - 1]);
    }

    int rowBytes() {
      return Math.multiplyExact(columns() / type.blockElements(), type.blockBytes());
    }

    /** Bytes it takes. */
    public long byteSize() {
      return Math.multiplyExact(rows(), (long) rowBytes());
    }
  }

  private record Slot(Spec spec, long begin) {}

  private final Path path;
  private final AtomicFile file;
  private final Map<String, Slot> slots;
  private final long dataStart;
  private final long end;
  private final TreeSet<String> missing;

  private GgufWriter(
      Path path, AtomicFile file, Map<String, Slot> slots, long dataStart, long end) {
    this.path = path;
    this.file = file;
    this.slots = slots;
    this.dataStart = dataStart;
    this.end = end;
    this.missing = new TreeSet<>(slots.keySet());
  }

  /**
   * Starts a file.
   *
   * @param force whether a file that is there may be replaced
   * @throws CheckpointException if it is there already or cannot be created
   */
  public static GgufWriter create(
      Path path, GgufEntries metadata, List<Spec> tensors, boolean force) {
    if (Files.exists(path) && (!force || !Files.isRegularFile(path))) {
      throw new CheckpointException(
          path
              + (Files.isRegularFile(path)
                  ? ": exists already; use --force to replace it"
                  : ": is no file that could be replaced"));
    }
    Map<String, Slot> slots = new LinkedHashMap<>();
    long at = 0;
    for (Spec spec : tensors) {
      if (slots.put(spec.name(), new Slot(spec, at)) != null) {
        throw new IllegalArgumentException("two tensors are called " + spec.name());
      }
      at = aligned(at + spec.byteSize());
    }
    byte[] header = header(metadata, slots);
    AtomicFile file = null;
    try {
      file = new AtomicFile(path);
      GgufWriter writer = new GgufWriter(path, file, slots, header.length, header.length + at);
      writer.put(ByteBuffer.wrap(header), 0);
      return writer;
    } catch (IOException e) {
      closeQuietly(file);
      throw cannotWrite(path, e);
    }
  }

  private static byte[] header(GgufEntries metadata, Map<String, Slot> slots) {
    GgufEntries out = new GgufEntries();
    out.u32(0x46554747).u32(3).u64(slots.size()).u64(metadata.count()).raw(metadata.bytes());
    for (Slot slot : slots.values()) {
      long[] shape = slot.spec().shape();
      out.string(slot.spec().name()).u32(shape.length);
      for (int d = shape.length - 1; d >= 0; d--) {
        out.u64(shape[d]);
      }
      out.u32(slot.spec().type().id()).u64(slot.begin());
    }
    byte[] bytes = out.bytes();
    return Arrays.copyOf(bytes, Math.toIntExact(aligned(bytes.length)));
  }

  private static long aligned(long length) {
    return Math.ceilDiv(length, (long) ALIGNMENT) * ALIGNMENT;
  }

  /** Fills a chunk with the blocks of some rows. */
  @FunctionalInterface
  private interface Chunk {
    void encode(long from, int rows, byte[] out);
  }

  /**
   * Writes a declared tensor, rounded to its type.
   *
   * @param values its rows in the order in which they are to lie
   * @throws CheckpointException if a weight is infinite or NaN, or writing fails
   */
  public void write(String name, RowTable values) {
    Slot slot = take(name, values.rows(), values.columns());
    write(slot, (from, rows, out) -> encode(slot.spec(), values, from, rows, out));
  }

  /** Writes a declared tensor that is in blocks of its type. */
  void write(String name, BlockRows blocks) {
    Slot slot = take(name, blocks.rows(), blocks.columns());
    write(
        slot,
        (from, rows, out) ->
            IntStream.range(0, rows)
                .parallel()
                .forEach(r -> blocks.encode(from + r, out, r * slot.spec().rowBytes())));
  }

  private Slot take(String name, long rows, long columns) {
    Slot slot = slots.get(name);
    if (slot == null || !missing.remove(name)) {
      throw new IllegalArgumentException(name + " is not declared, or is there already");
    }
    if (rows != slot.spec().rows() || columns != slot.spec().columns()) {
      throw new IllegalArgumentException("%s is [%d, %d]".formatted(name, rows, columns));
    }
    return slot;
  }

  private void write(Slot slot, Chunk content) {
    Spec spec = slot.spec();
    int each = (int) Math.clamp((long) CHUNK / spec.columns(), 1, Math.max(1, spec.rows()));
    byte[] chunk = new byte[Math.multiplyExact(each, spec.rowBytes())];
    try {
      for (long from = 0; from < spec.rows(); from += each) {
        int rows = (int) Math.min(each, spec.rows() - from);
        content.encode(from, rows, chunk);
        ByteBuffer bytes = ByteBuffer.wrap(chunk, 0, rows * spec.rowBytes());
        put(bytes, dataStart + slot.begin() + from * spec.rowBytes());
      }
    } catch (IOException e) {
      throw cannotWrite(path, e);
    }
  }

  private static void encode(Spec spec, RowTable values, long from, int rows, byte[] out) {
    int parts = Math.min(rows, 4 * Runtime.getRuntime().availableProcessors());
    IntStream.range(0, parts)
        .parallel()
        .forEach(
            p -> {
              BlockEncoder encoder = BlockEncoder.of(spec.type()).orElseThrow();
              float[] row = new float[spec.columns()];
              int last = (int) ((long) rows * (p + 1) / parts);
              for (int r = (int) ((long) rows * p / parts); r < last; r++) {
                values.dequantizeRow(from + r, row);
                requireFinite(spec, from + r, row);
                encodeRow(spec, encoder, row, out, r * spec.rowBytes());
              }
            });
  }

  private static void encodeRow(
      Spec spec, BlockEncoder encoder, float[] row, byte[] out, int begin) {
    int elements = spec.type().blockElements();
    int at = begin;
    try {
      for (int j = 0; j < row.length; j += elements, at += spec.type().blockBytes()) {
        encoder.encode(row, j, out, at);
      }
    } catch (IllegalArgumentException e) {
      throw new CheckpointException("%s: %s".formatted(spec.name(), e.getMessage()), e);
    }
  }

  private static void requireFinite(Spec spec, long r, float[] row) {
    for (int j = 0; j < row.length; j++) {
      if (!Float.isFinite(row[j])) {
        throw new CheckpointException(
            "%s: element [%d, %d] is %s; only finite weights quantize"
                .formatted(spec.name(), r, j, row[j]));
      }
    }
  }

  private void put(ByteBuffer bytes, long at) throws IOException {
    long position = at;
    while (bytes.hasRemaining()) {
      position += file.channel().write(bytes, position);
    }
  }

  /** Completes the file and gives it its name. */
  public void finish() {
    if (!missing.isEmpty()) {
      throw new IllegalStateException("not written: " + missing);
    }
    try {
      if (file.channel().size() < end) { // the padding behind the last tensor
        put(ByteBuffer.allocate(1), end - 1);
      }
      file.commit();
    } catch (IOException e) {
      throw cannotWrite(path, e);
    }
  }

  private static CheckpointException cannotWrite(Path path, IOException e) {
    return new CheckpointException(path + ": cannot be written: " + Texts.reason(e), e);
  }

  private static void closeQuietly(@Nullable AtomicFile file) {
    try {
      if (file != null) {
        file.close();
      }
    } catch (IOException e) {
      return; // the first problem is the one to report
    }
  }

  @Override
  public void close() {
    closeQuietly(file);
  }
}
