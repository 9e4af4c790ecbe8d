package dev.octet.bench;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.quantize.OffHeapGarbage;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A model of random numbers, every layer made in its quantized form when it is asked for. */
final class RandomSource implements WeightSource {
  private final ModelConfig config;
  private final @Nullable QuantScheme scheme;
  private final RandomWeights plainWeights;
  private final Map<String, ModelLayout.LinearShape> linears = new HashMap<>();
  private final Map<String, ModelLayout.PlainShape> plain = new HashMap<>();
  private @Nullable Tensor embedding;

  /**
   * @param scheme of all layers but lm_head, which stays BF16; null: BF16
   * @param arena owns the embedding and the norms; a layer's memory is freed when nothing refers to
   *     it any more, as where kernels have packed it
   */
  RandomSource(ModelConfig config, @Nullable QuantScheme scheme, Arena arena) {
    this.config = config;
    this.scheme = scheme;
    this.plainWeights = new RandomWeights(arena, 7);
    ModelLayout.linears(config, shape -> linears.put(shape.module(), shape));
    ModelLayout.plain(config, shape -> plain.put(shape.name(), shape));
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public boolean hasTensor(String name) {
    return plain.containsKey(name);
  }

  @Override
  public Tensor tensor(String name) {
    if (name.equals(ModelLayout.EMBEDDING)) {
      return randomEmbedding();
    }
    ModelLayout.PlainShape shape = plain.get(name);
    if (shape == null) {
      throw new CheckpointException("a random model has no tensor " + name);
    }
    return plainWeights.ones(shape.shape().getFirst());
  }

  private Tensor randomEmbedding() {
    Tensor known = embedding;
    if (known == null) {
      float deviation = (float) (1 / Math.sqrt(config.hiddenSize()));
      known = plainWeights.dense(DType.BF16, deviation, config.vocabSize(), config.hiddenSize());
      embedding = known;
    }
    return known;
  }

  @Override
  public LinearWeights linear(String module) {
    ModelLayout.LinearShape shape = linears.get(module);
    if (shape == null) {
      throw new CheckpointException("a random model has no layer " + module);
    }
    boolean head = module.equals(ModelLayout.LM_HEAD);
    RandomWeights random = new RandomWeights(Arena.ofAuto(), module.hashCode());
    LinearWeights made = random.linear(shape.rows(), shape.columns(), head ? null : scheme);
    OffHeapGarbage.made(made.byteSize());
    return made;
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }
}
