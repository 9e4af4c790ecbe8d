package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.tensor.LinearWeights;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/**
 * Turns named weights into modules that run, each checked against the shape the config gives it.
 *
 * @param arena owns what has to be copied (norms)
 * @param inputs takes note of every layer's input scale
 */
record ModuleLoader(WeightSource source, Kernels kernels, Arena arena, InputScales inputs) {

  ModelConfig config() {
    return source.config();
  }

  /**
   * A linear layer by its name.
   *
   * @param features how many it has to write
   */
  record Output(String module, int features) {}

  /** Layers that read the same rows. */
  Projection projection(int inFeatures, Output... outputs) {
    List<Linear> reading = new ArrayList<>();
    List<Linear> decoding = new ArrayList<>();
    for (Output output : outputs) {
      LinearWeights weights = source.linear(output.module());
      LinearWeights other = weights.decoding();
      inputs.add(output.module(), weights);
      Linear linear = linear(output.module(), weights, output.features(), inFeatures);
      reading.add(linear);
      decoding.add(
          other == null ? linear : linear(output.module(), other, output.features(), inFeatures));
    }
    LinearGroup group = kernels.group(reading);
    return new Projection(group, decoding.equals(reading) ? null : kernels.group(decoding));
  }

  Linear head(LinearWeights weights) {
    inputs.add("lm_head", weights);
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
