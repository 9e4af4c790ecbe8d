package dev.octet.checkpoint;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * Where a model takes its weights from: a checkpoint, a checkpoint quantized on the fly, or random
 * numbers. Modules are named as in Hugging Face, without {@code .weight}: {@code
 * model.layers.0.self_attn.q_proj}.
 */
public interface WeightSource {
  ModelConfig config();

  /** Whether there is a tensor of that name (an optional norm bias, say). */
  boolean hasTensor(String name);

  /**
   * A stored tensor as it is.
   *
   * @throws CheckpointException if there is none of that name
   */
  Tensor tensor(String name);

  /**
   * The linear layer of that module in canonical form, its bias included.
   *
   * @throws CheckpointException if it is absent or damaged
   */
  LinearWeights linear(String module);

  /** The token embedding [vocab, hidden]; only rows that are asked for are decoded. */
  default RowTable embedding() {
    return new DenseWeight(tensor(ModelLayout.EMBEDDING));
  }

  /** The output projection; with tied embeddings the embedding itself, as it is stored. */
  default LinearWeights lmHead() {
    return config().tiedEmbeddings()
        ? new LinearWeights(
            new DenseWeight(tensor(ModelLayout.EMBEDDING)), null, new ActivationQuant.None())
        : linear("lm_head");
  }

  /** Calibrated scales of a layer's KV cache, if there are any. */
  Optional<KvScales> kvScales(int layer);

  /** Calibrated scales of a layer's queries, if attention is statically quantized. */
  default Optional<QueryScales> queryScales(int layer) {
    return Optional.empty();
  }

  /** What the checkpoint declares of cache and attention without scales, a sentence each. */
  default List<String> scaleProblems() {
    return List.of();
  }

  /** What is computed otherwise than the checkpoint says, a sentence each. */
  default List<String> notices() {
    return List.of();
  }
}
