package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.AtomicFile;
import dev.octet.checkpoint.internal.FilePieces;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes one safetensors file tensor by tensor. All tensors are declared first, which fixes the
 * header; their content may then come in any order. The file appears under its name only when
 * {@link #finish} has found it complete; closed before that, nothing is left.
 *
 * <p>Tensors lie in the order of huggingface/safetensors, larger elements first, then by name, and
 * the header is padded so that each one is aligned.
 */
public final class SafetensorsWriter implements AutoCloseable {
  /** What Hugging Face loaders expect to find. */
  public static final Map<String, String> METADATA = Map.of("format", "pt");

  private record Slot(TensorSpec spec, long begin) {}

  private final Path path;
  private final AtomicFile file;
  private final Map<String, Slot> slots;
  private final long dataStart;
  private final TreeSet<String> missing;

  private SafetensorsWriter(Path path, AtomicFile file, Map<String, Slot> slots, byte[] header) {
    this.path = path;
    this.file = file;
    this.slots = slots;
    this.dataStart = header.length;
    this.missing = new TreeSet<>(slots.keySet());
  }

  /**
   * Starts a file.
   *
   * @throws CheckpointException if it cannot be created
   * @throws IllegalArgumentException if two tensors share a name
   */
  public static SafetensorsWriter create(
      Path path, List<TensorSpec> tensors, Map<String, String> metadata) {
    Map<String, Slot> slots = layout(tensors);
    byte[] header = header(slots, metadata);
    AtomicFile file = null;
    try {
      file = new AtomicFile(path);
      file.write(MemorySegment.ofArray(header), 0);
      return new SafetensorsWriter(path, file, slots, header);
    } catch (IOException e) {
      closeQuietly(file);
      throw new CheckpointException(path + ": cannot be written: " + Texts.reason(e), e);
    }
  }

  /** Writes all of {@code tensors} to one file with the usual metadata. */
  public static void write(Path path, Map<String, Tensor> tensors) {
    List<TensorSpec> specs = new ArrayList<>();
    tensors.forEach((name, tensor) -> specs.add(TensorSpec.of(name, tensor)));
    try (SafetensorsWriter writer = create(path, specs, METADATA)) {
      tensors.forEach(writer::write);
      writer.finish();
    }
  }

  private static Map<String, Slot> layout(List<TensorSpec> tensors) {
    List<TensorSpec> sorted = new ArrayList<>(tensors);
    sorted.sort(
        Comparator.comparingInt((TensorSpec s) -> -s.dtype().bits())
            .thenComparing(TensorSpec::name));
    Map<String, Slot> slots = new LinkedHashMap<>();
    long position = 0;
    for (TensorSpec spec : sorted) {
      if (spec.name().equals("__metadata__")
          || slots.put(spec.name(), new Slot(spec, position)) != null) {
        throw new IllegalArgumentException("two tensors named " + spec.name());
      }
      position = Math.addExact(position, spec.byteSize());
    }
    return slots;
  }

  private static byte[] header(Map<String, Slot> slots, Map<String, String> metadata) {
    ObjectNode json = Json.MAPPER.createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode node = json.putObject("__metadata__");
      new TreeMap<>(metadata).forEach(node::put);
    }
    for (Slot slot : slots.values()) {
      ObjectNode node = json.putObject(slot.spec.name());
      node.put("dtype", slot.spec.dtype().name());
      var shape = node.putArray("shape");
      for (long d : slot.spec.shape()) {
        shape.add(d);
      }
      node.putArray("data_offsets").add(slot.begin).add(slot.begin + slot.spec.byteSize());
    }
    byte[] text = Json.MAPPER.writeValueAsBytes(json);
    int padded = (text.length + 7) & ~7;
    if (padded > SafetensorsFile.MAX_HEADER) {
      throw new IllegalArgumentException("a header of " + padded + " bytes; use more shards");
    }
    byte[] all = new byte[8 + padded];
    Arrays.fill(all, (byte) ' ');
    ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).putLong(padded).put(text);
    return all;
  }

  /** How many declared tensors have not been written yet. */
  public int missing() {
    return missing.size();
  }

  /**
   * Stores a tensor's content.
   *
   * @throws IllegalArgumentException if it was not declared so, or was written already
   */
  public void write(String name, Tensor tensor) {
    long position = begin(TensorSpec.of(name, tensor));
    try {
      if (tensor.isContiguous()) {
        file.write(tensor.segment(), position);
      } else {
        long rowBytes = tensor.dtype().bytes(tensor.columns());
        for (long r = 0; r < tensor.rows(); r++) {
          file.write(tensor.row(r).segment(), position + r * rowBytes);
        }
      }
      missing.remove(name);
    } catch (IOException e) {
      throw new CheckpointException(path + ": cannot be written: " + Texts.reason(e), e);
    }
  }

  /**
   * Copies a tensor's content from another file, a piece at a time.
   *
   * @throws IllegalArgumentException if it was not declared so, or was written already
   * @throws CheckpointException if a file cannot be read or written
   */
  public void copy(TensorSpec tensor, TensorPlace from) {
    long position = begin(tensor);
    try (FilePieces pieces = FilePieces.open(from.file())) {
      for (long done = 0; done < tensor.byteSize(); ) {
        MemorySegment piece = pieces.read(from.position() + done, tensor.byteSize() - done);
        file.write(piece, position + done);
        done += piece.byteSize();
      }
      missing.remove(tensor.name());
    } catch (IOException e) {
      throw new CheckpointException(path + ": cannot be written: " + Texts.reason(e), e);
    }
  }

  /** Where a tensor that was declared so and is still missing begins in the file. */
  private long begin(TensorSpec tensor) {
    Slot slot = slots.get(tensor.name());
    if (slot == null
        || slot.spec.dtype() != tensor.dtype()
        || !Arrays.equals(slot.spec.shape(), tensor.shape())
        || !missing.contains(tensor.name())) {
      throw new IllegalArgumentException(
          "%s was declared as %s or is written twice"
              .formatted(tensor, slot == null ? "nothing" : slot.spec));
    }
    return dataStart + slot.begin;
  }

  /**
   * Forces the file to the disk and gives it its name.
   *
   * @throws IllegalStateException if a declared tensor was never written
   */
  public void finish() {
    if (!missing.isEmpty()) {
      throw new IllegalStateException(
          "%s: %d tensors were not written, first %s"
              .formatted(path, missing.size(), missing.first()));
    }
    try {
      file.commit();
    } catch (IOException e) {
      throw new CheckpointException(path + ": cannot be written: " + Texts.reason(e), e);
    }
  }

  /** Ends without a trace unless {@link #finish} came before. */
  @Override
  public void close() {
    closeQuietly(file);
  }

  private static void closeQuietly(@Nullable AtomicFile file) {
    if (file == null) {
      return;
    }
    try {
      file.close();
    } catch (IOException e) {
      throw new CheckpointException("a temporary file cannot be removed: " + Texts.reason(e), e);
    }
  }
}
