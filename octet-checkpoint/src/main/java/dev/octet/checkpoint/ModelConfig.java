package dev.octet.checkpoint;

import dev.octet.tensor.DType;
import java.util.List;
import java.util.stream.Stream;

/**
 * What config.json says about a model, validated: every size is positive and consistent, every
 * field that would change the result is understood.
 *
 * @param architecture model family
 * @param vocabSize rows of the embedding
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the feed-forward layer
 * @param layers number of decoder layers
 * @param heads query heads
 * @param kvHeads key/value heads, a divisor of {@code heads}
 * @param headDim channels of a head
 * @param rmsNormEps epsilon of every RMSNorm
 * @param ropeTheta base of the rotary embedding
 * @param ropeScaling how it is stretched
 * @param maxPositions {@code max_position_embeddings}
 * @param tiedEmbeddings whether lm_head is the embedding
 * @param qkvBias whether q, k and v have biases
 * @param outputBias whether o has a bias
 * @param mlpBias whether gate, up and down have biases
 * @param qkNorm whether every head of q and k is normalized before the rotary embedding
 * @param windows per layer: keys a query sees, its own included; 0 = all
 * @param bosTokenId beginning of text, or −1
 * @param eosTokenIds tokens that end generation; may be empty
 * @param dtype {@code torch_dtype}: f32, f16 or bf16
 */
public record ModelConfig(
    Architecture architecture,
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    double rmsNormEps,
    double ropeTheta,
    RopeScaling ropeScaling,
    int maxPositions,
    boolean tiedEmbeddings,
    boolean qkvBias,
    boolean outputBias,
    boolean mlpBias,
    boolean qkNorm,
    List<Integer> windows,
    int bosTokenId,
    List<Integer> eosTokenIds,
    DType dtype) {
  public ModelConfig {
    windows = List.copyOf(windows);
    eosTokenIds = List.copyOf(eosTokenIds);
  }

  /** Query heads that share a key/value head. */
  public int groupSize() {
    return heads / kvHeads;
  }

  /** The same with further tokens that end generation. */
  ModelConfig withMoreEosTokens(List<Integer> more) {
    List<Integer> all = Stream.concat(eosTokenIds.stream(), more.stream()).distinct().toList();
    return with(tiedEmbeddings, all);
  }

  /** The same with a head of its own. */
  public ModelConfig untied() {
    return with(false, eosTokenIds);
  }

  private ModelConfig with(boolean tied, List<Integer> eosTokens) {
    return new ModelConfig(
        architecture,
        vocabSize,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        headDim,
        rmsNormEps,
        ropeTheta,
        ropeScaling,
        maxPositions,
        tied,
        qkvBias,
        outputBias,
        mlpBias,
        qkNorm,
        windows,
        bosTokenId,
        eosTokens,
        dtype);
  }
}
