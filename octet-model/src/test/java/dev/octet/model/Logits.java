package dev.octet.model;

import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.tensor.Tensor;
import java.util.Objects;
import java.util.stream.LongStream;

/** What the tests measure of logits. */
final class Logits {
  private Logits() {}

  static Tensor named(SafetensorsFile file, String name) {
    return Objects.requireNonNull(file.tensors().get(name), name);
  }

  static int[] ints(Tensor ids) {
    return LongStream.range(0, ids.size()).mapToInt(i -> (int) ids.getLong(i)).toArray();
  }

  /** {@code Σ|got − wanted| / Σ|wanted|}; NaN fails every comparison. */
  static double relL1(Tensor got, Tensor wanted) {
    double difference = 0;
    double sum = 0;
    for (long i = 0; i < wanted.size(); i++) {
      difference += Math.abs((double) got.getFloat(i) - wanted.getFloat(i));
      sum += Math.abs(wanted.getFloat(i));
    }
    return got.size() == wanted.size() ? difference / sum : Double.NaN;
  }

  static double maxDifference(Tensor got, Tensor wanted) {
    double max = 0;
    for (long i = 0; i < wanted.size(); i++) {
      double d = Math.abs((double) got.getFloat(i) - wanted.getFloat(i));
      max = Double.isNaN(d) ? Double.POSITIVE_INFINITY : Math.max(max, d);
    }
    return max;
  }

  static int argmax(Tensor row) {
    int best = 0;
    for (int i = 1; i < row.size(); i++) {
      best = row.getFloat(i) > row.getFloat(best) ? i : best;
    }
    return best;
  }

  /** {@code −ln softmax(row)[id]}. */
  static double nll(Tensor row, int id) {
    float[] x = row.toFloats();
    double max = x[argmax(row)];
    double sum = 0;
    for (float v : x) {
      sum += Math.exp(v - max);
    }
    return max + Math.log(sum) - x[id];
  }
}
