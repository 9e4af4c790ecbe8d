package dev.octet.checkpoint;

import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes the tensors of a model directory as one file or as shards with an index, see {@link
 * ShardPlan}. Tensors are declared first and fill the shards in that order; their content may come
 * in any order. No file has its final name before {@link #finish}, and the index comes last.
 */
public final class ShardedWriter implements AutoCloseable {
  private final Path directory;
  private final ShardPlan plan;
  private final Map<String, String> weightMap;
  private final Map<String, SafetensorsWriter> shards;

  private ShardedWriter(Path directory, ShardPlan plan, Map<String, SafetensorsWriter> shards) {
    this.directory = directory;
    this.plan = plan;
    this.weightMap = plan.weightMap();
    this.shards = shards;
  }

  /** Starts writing to an existing directory, at most {@code shardBytes} a shard. */
  public static ShardedWriter create(Path directory, List<TensorSpec> tensors, long shardBytes) {
    ShardPlan plan = ShardPlan.of(tensors, shardBytes);
    Map<String, SafetensorsWriter> shards = new LinkedHashMap<>();
    try {
      plan.files()
          .forEach(
              (name, specs) ->
                  shards.put(
                      name,
                      SafetensorsWriter.create(
                          directory.resolve(name), specs, SafetensorsWriter.METADATA)));
    } catch (RuntimeException e) {
      shards.values().forEach(SafetensorsWriter::close);
      throw e;
    }
    return new ShardedWriter(directory, plan, shards);
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
    plan.writeIndex(directory);
  }

  @Override
  public void close() {
    shards.values().forEach(SafetensorsWriter::close);
  }
}
