package dev.octet.bench;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.quantize.OffHeapGarbage;
import dev.octet.quantize.OuterSchemes;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A model of random numbers, every layer made in its quantized form when it is asked for. */
final class RandomSource implements WeightSource {
  private final ModelConfig config;
  private final @Nullable QuantScheme scheme;
  private final OuterSchemes outer;
  private final RandomWeights plainWeights;
  private final Map<String, ModelLayout.LinearShape> linears = new HashMap<>();
  private final Map<String, ModelLayout.PlainShape> plain = new HashMap<>();
  private WeakReference<LinearWeights> tiedHead = new WeakReference<>(null);

  /**
   * @param scheme of all layers but lm_head; null: BF16
   * @param outer lm_head and the embedding
   * @param arena owns the norms; a layer's memory is freed when nothing refers to it any more, as
   *     where kernels have packed it
   */
  RandomSource(ModelConfig config, @Nullable QuantScheme scheme, OuterSchemes outer, Arena arena) {
    this.config = config;
    this.scheme = scheme;
    this.outer = outer;
    this.plainWeights = new RandomWeights(arena, 7);
    ModelLayout.linears(config, shape -> linears.put(shape.module(), shape));
    ModelLayout.plain(config, shape -> plain.put(shape.name(), shape));
    plain.remove(ModelLayout.EMBEDDING); // it may be no plain tensor
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
    ModelLayout.PlainShape shape = plain.get(name);
    if (shape == null) {
      throw new CheckpointException("a random model has no tensor " + name);
    }
    return plainWeights.ones(shape.shape().getFirst());
  }

  /** Of tied embeddings the output layer's weight, which is made anew if nobody holds it. */
  @Override
  public RowTable embedding() {
    return config.tiedEmbeddings()
        ? lmHead().weight()
        : random(ModelLayout.EMBEDDING, config.vocabSize(), config.hiddenSize(), outer.embedding())
            .weight();
  }

  @Override
  public LinearWeights lmHead() {
    LinearWeights known = tiedHead.get();
    if (known == null) {
      known = random(ModelLayout.LM_HEAD, config.vocabSize(), config.hiddenSize(), outer.head());
      if (config.tiedEmbeddings()) {
        tiedHead = new WeakReference<>(known);
      }
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
    return head ? lmHead() : random(module, shape.rows(), shape.columns(), scheme);
  }

  private static LinearWeights random(
      String name, long rows, long columns, @Nullable QuantScheme scheme) {
    RandomWeights random = new RandomWeights(Arena.ofAuto(), name.hashCode());
    LinearWeights made = random.linear(rows, columns, scheme);
    OffHeapGarbage.made(made.byteSize());
    return made;
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }
}
