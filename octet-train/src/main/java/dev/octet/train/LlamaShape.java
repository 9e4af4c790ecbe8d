package dev.octet.train;

/**
 * The sizes of a Llama model, named as in a Hugging Face {@code config.json}.
 *
 * @param vocabSize rows of the embedding
 * @param hidden width of the residual stream
 * @param layers number of decoder layers
 * @param heads query heads
 * @param kvHeads key and value heads, a divisor of {@code heads}
 * @param headDim width of one head, even
 * @param intermediate width of the feed-forward layer
 * @param context longest sequence trained on, in tokens
 * @param ropeTheta base of the rotary embedding
 * @param normEps epsilon under the root of RMSNorm
 * @param tiedEmbeddings whether the output layer reuses the embedding matrix
 */
public record LlamaShape(
    int vocabSize,
    int hidden,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int intermediate,
    int context,
    double ropeTheta,
    double normEps,
    boolean tiedEmbeddings) {

  /** Refuses sizes that no Llama model can have, with a message naming the option. */
  public LlamaShape {
    positive("vocab size", vocabSize, 1 << 20);
    positive("hidden", hidden, 1 << 16);
    positive("layers", layers, 1 << 10);
    positive("heads", heads, 1 << 10);
    positive("kv heads", kvHeads, 1 << 10);
    positive("head dim", headDim, 1 << 10);
    positive("intermediate", intermediate, 1 << 18);
    positive("context", context, 1 << 20);
    if (heads % kvHeads != 0) {
      throw new TrainException(
          "heads (%d) must be a multiple of kv heads (%d)".formatted(heads, kvHeads));
    }
    if (headDim % 2 != 0) {
      throw new TrainException(
          "head dim is %d, but the rotary embedding needs an even one".formatted(headDim));
    }
    if (!(ropeTheta > 0) || !Double.isFinite(ropeTheta)) {
      throw new TrainException("rope theta must be a positive number, not " + ropeTheta);
    }
    if (!(normEps > 0) || !Double.isFinite(normEps)) {
      throw new TrainException("norm epsilon must be a positive number, not " + normEps);
    }
  }

  private static void positive(String what, int value, int most) {
    if (value < 1 || value > most) {
      throw new TrainException(
          "%s must lie between 1 and %d, but is %d".formatted(what, most, value));
    }
  }

  /** Number of trained numbers; tied embeddings count once. */
  public long parameters() {
    long attention = (long) hidden * headDim * (2L * heads + 2L * kvHeads);
    long feedForward = 3L * hidden * intermediate;
    long embeddings = (tiedEmbeddings ? 1L : 2L) * vocabSize * hidden;
    return embeddings + layers * (attention + feedForward + 2L * hidden) + hidden;
  }

  /** Multiply-adds of one token in the forward pass, leaving out attention scores. */
  long macsPerToken() {
    return (long) layers
            * ((long) hidden * headDim * (2L * heads + 2L * kvHeads) + 3L * hidden * intermediate)
        + (long) vocabSize * hidden;
  }
}
