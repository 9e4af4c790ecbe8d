package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.tensor.LinearWeights;
import java.lang.foreign.Arena;

/**
 * Turns named weights into modules that run, each checked against the shape the config gives it.
 *
 * @param arena owns what has to be copied (norms)
 */
record ModuleLoader(WeightSource source, Kernels kernels, Arena arena) {
  ModelConfig config() {
    return source.config();
  }

  Projection projection(String module, int outFeatures, int inFeatures) {
    LinearWeights weights = source.linear(module);
    LinearWeights decoding = weights.decoding();
    return new Projection(
        linear(module, weights, outFeatures, inFeatures),
        decoding == null ? null : linear(module, decoding, outFeatures, inFeatures));
  }

  Linear head(LinearWeights weights) {
    return linear("lm_head", weights, config().vocabSize(), config().hiddenSize());
  }

  RmsNorm norm(String module, int size) {
    return RmsNorm.load(source, module, size, arena);
  }

  private Linear linear(String module, LinearWeights weights, int outFeatures, int inFeatures) {
    long rows = weights.weight().rows();
    long columns = weights.weight().columns();
    if (rows != outFeatures || columns != inFeatures) {
      throw new IllegalArgumentException(
          "%s is [%d, %d], the config asks for [%d, %d]"
              .formatted(module, rows, columns, outFeatures, inFeatures));
    }
    return kernels.linear(weights);
  }
}
