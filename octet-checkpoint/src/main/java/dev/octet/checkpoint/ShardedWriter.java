package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.AtomicFile;
import dev.octet.checkpoint.internal.Json;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes the tensors of a model directory as Hugging Face does: {@code model.safetensors}, or from
 * a certain size on shards {@code model-00001-of-0000N.safetensors} with an index. Tensors are
 * declared first and fill the shards in that order; their content may come in any order. No file has
 * its final name before {@link #finish}, and the index comes last.
 */
public final class ShardedWriter implements AutoCloseable {
  /** Bytes of tensors a shard holds unless one alone is larger. */
  public static final long SHARD_BYTES = 4L << 30;

  private final Path directory;
  private final Map<String, SafetensorsWriter> shards;
  private final Map<String, String> weightMap;
  private final long totalBytes;

  private ShardedWriter(
      Path directory,
      Map<String, SafetensorsWriter> shards,
      Map<String, String> weightMap,
      long totalBytes) {
    this.directory = directory;
    this.shards = shards;
    this.weightMap = weightMap;
    this.totalBytes = totalBytes;
  }

  /** Starts writing to an existing directory, at most {@code shardBytes} a shard. */
  public static ShardedWriter create(Path directory, List<TensorSpec> tensors, long shardBytes) {
    List<List<TensorSpec>> plan = plan(tensors, shardBytes);
    Map<String, SafetensorsWriter> shards = new LinkedHashMap<>();
    Map<String, String> weightMap = new TreeMap<>();
    try {
      for (int i = 0; i < plan.size(); i++) {
        String name = fileName(i, plan.size());
        plan.get(i).forEach(spec -> weightMap.put(spec.name(), name));
        shards.put(
            name,
            SafetensorsWriter.create(
                directory.resolve(name), plan.get(i), SafetensorsWriter.METADATA));
      }
    } catch (RuntimeException e) {
      shards.values().forEach(SafetensorsWriter::close);
      throw e;
    }
    long total = tensors.stream().mapToLong(TensorSpec::byteSize).sum();
    return new ShardedWriter(directory, shards, weightMap, total);
  }

  private static List<List<TensorSpec>> plan(List<TensorSpec> tensors, long shardBytes) {
    List<List<TensorSpec>> plan = new ArrayList<>();
    List<TensorSpec> shard = new ArrayList<>();
    long size = 0;
    for (TensorSpec spec : tensors) {
      if (!shard.isEmpty() && size + spec.byteSize() > shardBytes) {
        plan.add(shard);
        shard = new ArrayList<>();
        size = 0;
      }
      shard.add(spec);
      size += spec.byteSize();
    }
    plan.add(shard);
    return plan;
  }

  static String fileName(int shard, int shards) {
    return shards == 1
        ? "model.safetensors"
        : "model-%05d-of-%05d.safetensors".formatted(shard + 1, shards);
  }

  /** Stores a declared tensor's content, see {@link SafetensorsWriter#write}. */
  public void write(String name, Tensor tensor) {
    String shard = weightMap.get(name);
    SafetensorsWriter writer = shard == null ? null : shards.get(shard);
    if (writer == null) {
      throw new IllegalArgumentException(name + " was not declared");
    }
    writer.write(name, tensor);
  }

  /** Gives all files their names, the index last. */
  public void finish() {
    for (SafetensorsWriter shard : shards.values()) {
      if (shard.missing() > 0) {
        shard.finish(); // throws and names the first missing tensor
      }
    }
    shards.values().forEach(SafetensorsWriter::finish);
    if (shards.size() > 1) {
      writeIndex(directory, weightMap, totalBytes);
    }
  }

  static void writeIndex(Path directory, Map<String, String> weightMap, long totalBytes) {
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.putObject("metadata").put("total_size", totalBytes);
    ObjectNode map = json.putObject("weight_map");
    new TreeMap<>(weightMap).forEach(map::put);
    AtomicFile.write(
        directory.resolve("model.safetensors.index.json"),
        Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(json));
  }

  @Override
  public void close() {
    shards.values().forEach(SafetensorsWriter::close);
  }
}
