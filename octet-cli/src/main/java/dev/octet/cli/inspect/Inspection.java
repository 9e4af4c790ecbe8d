package dev.octet.cli.inspect;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.checkpoint.gguf.GgufCheckpoint;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What is in a file or directory, without reading its weights.
 *
 * @param path where
 * @param format {@code dense}, {@code compressed-tensors}, {@code safetensors}, {@code GGUF} …
 * @param facts what it says of itself, in the order to print
 * @param tensors by name
 * @param config of a model that can be run
 * @param quantization of a model that can be run
 * @param obstacle why it cannot be run; empty if it can
 */
public record Inspection(
    Path path,
    String format,
    SequencedMap<String, String> facts,
    List<TensorInfo> tensors,
    Optional<ModelConfig> config,
    Optional<Quantization> quantization,
    String obstacle) {

  /** Tensors of one type, all together. */
  public record TypeTotal(String type, long tensors, long elements, long bytes) {}

  /**
   * Looks at a model directory, a safetensors file or a GGUF file.
   *
   * @throws CheckpointException if it is absent or damaged
   */
  public static Inspection of(Path path) {
    if (Files.isDirectory(path) || GgufHeader.named(path)) {
      return model(path);
    }
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      SortedMap<String, String> facts = new TreeMap<>();
      file.metadata().forEach((key, value) -> facts.put("metadata." + key, value));
      return new Inspection(
          path,
          "safetensors",
          facts,
          list(file.tensors()),
          Optional.empty(),
          Optional.empty(),
          "it is a file; a model is a directory with config.json");
    }
  }

  private static Inspection model(Path path) {
    try (Checkpoint checkpoint = Checkpoints.open(path)) {
      ModelConfig config = checkpoint.config();
      SequencedMap<String, String> facts = ModelFacts.of(config);
      if (checkpoint instanceof GgufCheckpoint gguf) {
        facts.putAll(metadata(gguf.file().header()));
      }
      return new Inspection(
          path,
          checkpoint.format(),
          facts,
          checkpoint instanceof GgufCheckpoint gguf
              ? gguf.file().tensors().values().stream().map(TensorInfo::of).toList()
              : list(checkpoint.tensors()),
          Optional.of(config),
          Optional.of(Quantization.of(checkpoint)),
          "");
    } catch (UnsupportedCheckpointException e) {
      return new Inspection(
          path,
          "not supported yet",
          GgufHeader.named(path) ? metadata(GgufHeader.read(path)) : new TreeMap<>(),
          storedIn(path),
          Optional.empty(),
          Optional.empty(),
          String.valueOf(e.getMessage()));
    }
  }

  /** Tensors of a file, or of all files of a directory, whose format is foreign. */
  private static List<TensorInfo> storedIn(Path path) {
    if (!Files.isDirectory(path)) {
      return gguf(path);
    }
    List<TensorInfo> all = new ArrayList<>();
    try (Stream<Path> files = Files.list(path)) {
      for (Path file : files.sorted().toList()) {
        if (GgufHeader.named(file)) {
          all.addAll(gguf(file));
        } else if (file.toString().endsWith(".safetensors")) {
          try (SafetensorsFile open = SafetensorsFile.open(file)) {
            all.addAll(list(open.tensors()));
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be read", e);
    }
    return all;
  }

  private static List<TensorInfo> gguf(Path path) {
    return GgufHeader.read(path).tensors().stream().map(TensorInfo::of).toList();
  }

  private static SortedMap<String, String> metadata(GgufHeader header) {
    SortedMap<String, String> facts = new TreeMap<>();
    header.metadata().forEach((key, value) -> facts.put(key, value.toString()));
    facts.put("GGUF version", Integer.toString(header.version()));
    return facts;
  }

  private static List<TensorInfo> list(SortedMap<String, Tensor> tensors) {
    return tensors.entrySet().stream().map(e -> TensorInfo.of(e.getKey(), e.getValue())).toList();
  }

  /** Bytes of all tensors. */
  public long bytes() {
    return tensors.stream().mapToLong(TensorInfo::bytes).sum();
  }

  /** Tensors by type, the largest share first. */
  public List<TypeTotal> types() {
    SortedMap<String, TypeTotal> totals = new TreeMap<>();
    for (TensorInfo t : tensors) {
      totals.merge(
          t.type(),
          new TypeTotal(t.type(), 1, t.elements(), t.bytes()),
          (a, b) ->
              new TypeTotal(a.type, a.tensors + 1, a.elements + b.elements, a.bytes + b.bytes));
    }
    return totals.values().stream().sorted((a, b) -> Long.compare(b.bytes, a.bytes)).toList();
  }
}
