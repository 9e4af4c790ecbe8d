package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.AtomicFile;
import dev.octet.checkpoint.internal.Json;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/**
 * Which file holds which tensor: {@code model.safetensors}, or from a certain size on shards {@code
 * model-00001-of-0000N.safetensors}, as Hugging Face names them.
 *
 * @param name what file names begin with, {@code model} as a rule
 * @param files tensors by file name, in order
 */
public record ShardPlan(String name, SequencedMap<String, List<TensorSpec>> files) {
  /** Bytes of tensors a shard holds unless one alone is larger. */
  public static final long SHARD_BYTES = 4L << 30;

  public ShardPlan {
    files = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(files));
  }

  /** Fills shards of at most {@code shardBytes} in the given order. */
  public static ShardPlan of(List<TensorSpec> tensors, long shardBytes) {
    return of(tensors, shardBytes, "model");
  }

  /** The same under other names. */
  static ShardPlan of(List<TensorSpec> tensors, long shardBytes, String name) {
    List<List<TensorSpec>> shards = new ArrayList<>();
    List<TensorSpec> shard = new ArrayList<>();
    long size = 0;
    for (TensorSpec spec : tensors) {
      if (!shard.isEmpty() && spec.byteSize() > shardBytes - size) {
        shards.add(shard);
        shard = new ArrayList<>();
        size = 0;
      }
      shard.add(spec);
      size += spec.byteSize();
    }
    shards.add(shard);
    SequencedMap<String, List<TensorSpec>> files = new LinkedHashMap<>();
    for (int i = 0; i < shards.size(); i++) {
      files.put(fileName(name, i, shards.size()), List.copyOf(shards.get(i)));
    }
    return new ShardPlan(name, files);
  }

  private static String fileName(String name, int shard, int shards) {
    return shards == 1
        ? name + ".safetensors"
        : "%s-%05d-of-%05d.safetensors".formatted(name, shard + 1, shards);
  }

  /** File name by tensor name. */
  public Map<String, String> weightMap() {
    Map<String, String> map = new TreeMap<>();
    files.forEach((file, specs) -> specs.forEach(spec -> map.put(spec.name(), file)));
    return map;
  }

  /** Writes the index that more than one shard needs. */
  public void writeIndex(Path directory) {
    if (files.size() == 1) {
      return;
    }
    long total =
        files.values().stream().flatMap(List::stream).mapToLong(TensorSpec::byteSize).sum();
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.putObject("metadata").put("total_size", total);
    ObjectNode map = json.putObject("weight_map");
    weightMap().forEach(map::put);
    AtomicFile.write(
        directory.resolve(name + ".safetensors.index.json"),
        Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(json));
  }
}
