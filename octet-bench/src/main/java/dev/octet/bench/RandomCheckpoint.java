package dev.octet.bench;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigJson;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.ShardPlan;
import dev.octet.checkpoint.TensorSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A model directory of random BF16 weights, written tensor by tensor. */
final class RandomCheckpoint {
  private RandomCheckpoint() {}

  /** Writes it; norms are ones, matrices keep the size of what goes through them. */
  static void write(Path folder, ModelConfig config) throws IOException {
    Files.createDirectories(folder);
    Files.write(folder.resolve("config.json"), ModelConfigJson.of(config));
    List<TensorSpec> specs = new ArrayList<>();
    Map<String, Long> inputs = new HashMap<>();
    ModelLayout.plain(
        config,
        p ->
            specs.add(
                new TensorSpec(
                    p.name(), DType.BF16, p.shape().stream().mapToLong(d -> d).toArray())));
    ModelLayout.linears(
        config,
        l -> {
          specs.add(new TensorSpec(l.module() + ".weight", DType.BF16, l.rows(), l.columns()));
          inputs.put(l.module() + ".weight", l.columns());
        });
    ShardPlan plan = ShardPlan.of(specs, ShardPlan.SHARD_BYTES);
    for (Map.Entry<String, List<TensorSpec>> shard : plan.files().entrySet()) {
      shard(folder.resolve(shard.getKey()), shard.getValue(), inputs);
    }
    plan.writeIndex(folder);
  }

  private static void shard(Path file, List<TensorSpec> specs, Map<String, Long> inputs) {
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(file, specs, SafetensorsWriter.METADATA)) {
      for (TensorSpec spec : specs) {
        try (Arena arena = Arena.ofConfined()) {
          writer.write(spec.name(), tensor(spec, inputs, arena));
        }
      }
      writer.finish();
    }
  }

  private static Tensor tensor(TensorSpec spec, Map<String, Long> inputs, Arena arena) {
    RandomWeights random = new RandomWeights(arena, spec.name().hashCode());
    if (spec.shape().length == 1) {
      return random.ones(spec.shape()[0]).to(DType.BF16, arena);
    }
    double columns = inputs.getOrDefault(spec.name(), spec.shape()[1]);
    return random.dense(DType.BF16, (float) (1 / Math.sqrt(columns)), spec.shape());
  }
}
