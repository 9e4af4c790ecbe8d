package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.ModelConfig;

/**
 * Which columns of the output projection a channel of the values feeds: with grouped-query
 * attention as many as there are query heads to a value head.
 */
final class ValueChannels {
  private final int heads;
  private final int shared;
  private final int dim;

  ValueChannels(ModelConfig config) {
    this.heads = config.heads();
    this.shared = config.heads() / config.kvHeads();
    this.dim = config.headDim();
  }

  /** Factors of the columns, those of one value channel replaced by their geometric mean. */
  float[] tied(float[] columns) {
    float[] tied = new float[columns.length];
    for (int head = 0; head < heads; head += shared) {
      for (int d = 0; d < dim; d++) {
        double logs = 0;
        for (int h = head; h < head + shared; h++) {
          logs += Math.log(columns[h * dim + d]);
        }
        float mean = (float) Math.exp(logs / shared);
        for (int h = head; h < head + shared; h++) {
          tied[h * dim + d] = mean;
        }
      }
    }
    return tied;
  }

  /** The factor of every value channel, from those of the columns. */
  float[] ofValues(float[] tied) {
    float[] values = new float[heads / shared * dim];
    for (int i = 0; i < values.length; i++) {
      values[i] = tied[i / dim * shared * dim + i % dim];
    }
    return values;
  }
}
