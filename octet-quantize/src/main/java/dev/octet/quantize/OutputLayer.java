package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import java.lang.foreign.Arena;
import java.util.Set;

/**
 * The output layer where it is quantized on disk, always to the nearest code. One that is the
 * embedding becomes a matrix of its own ({@code tie_word_embeddings: false}), and the embedding
 * stays as it is: no format of those that are written has quantized embeddings.
 */
public final class OutputLayer {
  /** Formats whose readers, vLLM's among them, expect a quantized {@code lm_head}. */
  private static final Set<WriteFormat> HOLDING =
      Set.of(WriteFormat.COMPRESSED_TENSORS, WriteFormat.GPTQ);

  private OutputLayer() {}

  /** Whether the options quantize it. */
  public static boolean quantized(QuantizeOptions options) {
    return !options.ignores(ModelLayout.LM_HEAD);
  }

  /**
   * Refuses a quantized output layer in a format that has no place for it.
   *
   * @throws CheckpointException naming the formats that do
   */
  public static void requireHeld(QuantizeOptions options, WriteFormat format) {
    if (quantized(options) && !HOLDING.contains(format)) {
      throw new CheckpointException(
          "lm_head: %s has no quantized output layer; choose compressed-tensors or gptq, or leave"
                  .formatted(format.label())
              + " lm_head ignored");
    }
  }

  /** The model with an output layer of its own, if that is to be quantized. */
  public static WeightSource separate(WeightSource source, QuantizeOptions options) {
    return quantized(options) && source.config().tiedEmbeddings()
        ? new UntiedSource(source)
        : source;
  }

  /**
   * Quantizes it.
   *
   * @throws CheckpointException if it is quantized already or holds NaN
   */
  public static LinearWeights quantize(WeightSource source, QuantizeOptions options, Arena arena) {
    QuantScheme scheme =
        LayerQuantizer.dividing(
            options.schemeOf(ModelLayout.LM_HEAD), source.config().hiddenSize());
    return LayerQuantizer.quantize(ModelLayout.LM_HEAD, source.lmHead(), scheme, arena);
  }
}
