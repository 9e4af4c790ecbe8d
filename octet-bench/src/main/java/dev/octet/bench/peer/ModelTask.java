package dev.octet.bench.peer;

import dev.octet.checkpoint.ModelConfig;

/**
 * A whole model of a Llama's shape on random weights.
 *
 * @param config its sizes
 * @param weights what the weights are stored in
 * @param context tokens that a sequence may have
 * @param batch tokens read at once
 */
public record ModelTask(ModelConfig config, Precision weights, int context, int batch) {
  public ModelTask {
    if (context < 1 || batch < 1 || batch > context) {
      throw new IllegalArgumentException("context " + context + ", batch " + batch);
    }
  }
}
