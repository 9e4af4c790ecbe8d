package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.tensor.QuantScheme;
import org.jspecify.annotations.Nullable;

/**
 * How the output layer and the embedding are quantized, which {@link QuantizeOptions} leaves out.
 * Together they are a fifth of an 8B model in INT4 and half of a 1B model, and the output layer is
 * read for every token; llama.cpp stores both in 6 or 8 bits. Where the embedding is the output
 * layer (tied), there is one matrix, and its scheme is the output layer's.
 *
 * @param head the output layer; null: as it is
 * @param embedding the embedding where it is a matrix of its own; of a scheme only what it says of
 *     weights counts. Null: as it is
 */
public record OuterSchemes(@Nullable QuantScheme head, @Nullable QuantScheme embedding) {
  /** Both as they are. */
  public static final OuterSchemes NONE = new OuterSchemes(null, null);

  /** Whether nothing is quantized. */
  public boolean none() {
    return head == null && embedding == null;
  }

  /**
   * Refuses two answers for one matrix.
   *
   * @throws CheckpointException if the model's embedding is its output layer and has a scheme
   */
  public void requireFits(ModelConfig config) {
    if (config.tiedEmbeddings() && embedding != null) {
      throw new CheckpointException(
          "the model's embedding is its output layer (tie_word_embeddings): what is said of"
              + " lm_head holds for both, leave out the embedding's own scheme");
    }
  }

  /** How the embedding's table is quantized in such a model; null: not at all. */
  public @Nullable QuantScheme table(ModelConfig config) {
    return config.tiedEmbeddings() ? head : embedding;
  }

  /** What a table's row says of it: {@code " lm_head=w8a16"}; empty where nothing is quantized. */
  public String label() {
    return (head == null ? "" : " lm_head=" + head.name())
        + (embedding == null ? "" : " embedding=" + embedding.name());
  }
}
