package dev.octet.quantize.compare;

import dev.octet.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Gathers the distances of two models token by token: 16 bytes each, whatever the vocabulary. */
public final class Distances {
  /** Rows one thread takes at a time. */
  private static final int CHUNK = 8;

  private float[] divergences = new float[1024];
  private float[] changes = new float[1024];
  private float[] probabilityChanges = new float[1024];
  private int count;
  private long agreed;
  private double baseNll;
  private double nll;

  /** Nothing gathered. */
  public Distances() {}

  /**
   * Adds rows, compared by several threads.
   *
   * @param base F32 [rows, vocab], the base's logits
   * @param other F32 [rows, vocab]
   * @param tokens the token that follows each row
   * @throws dev.octet.tensor.NotFiniteException if either holds NaN or infinities
   */
  public void add(Tensor base, Tensor other, int[] tokens) {
    RowDistance[] rows = new RowDistance[tokens.length];
    int width = Math.toIntExact(base.columns());
    IntStream.range(0, (tokens.length + CHUNK - 1) / CHUNK)
        .parallel()
        .forEach(
            c -> {
              float[] left = new float[width];
              float[] right = new float[width];
              for (int r = c * CHUNK; r < Math.min(tokens.length, (c + 1) * CHUNK); r++) {
                base.copyRange((long) r * width, left);
                other.copyRange((long) r * width, right);
                rows[r] = RowDistance.of(left, right, tokens[r]);
              }
            });
    for (RowDistance row : rows) {
      add(row);
    }
  }

  private void add(RowDistance row) {
    if (count == divergences.length) {
      int more = Math.addExact(count, count);
      divergences = Arrays.copyOf(divergences, more);
      changes = Arrays.copyOf(changes, more);
      probabilityChanges = Arrays.copyOf(probabilityChanges, more);
    }
    divergences[count] = (float) row.divergence();
    changes[count] = (float) (row.nll() - row.baseNll());
    probabilityChanges[count] = (float) (Math.exp(-row.nll()) - Math.exp(-row.baseNll()));
    count++;
    agreed += row.agrees() ? 1 : 0;
    baseNll += row.baseNll();
    nll += row.nll();
  }

  /**
   * What was gathered.
   *
   * @throws IllegalStateException if that is nothing
   */
  public DistanceSummary summary() {
    if (count == 0) {
      throw new IllegalStateException("no rows were compared");
    }
    float[] sorted = Arrays.copyOf(divergences, count);
    Arrays.sort(sorted);
    return new DistanceSummary(
        count,
        baseNll / count,
        nll / count,
        standardError(),
        mean(sorted),
        quantiles(sorted),
        (double) agreed / count,
        rootMeanSquare());
  }

  private static double mean(float[] values) {
    double sum = 0;
    for (float v : values) {
      sum += v;
    }
    return sum / values.length;
  }

  /** Tokens of a text hang together, so the true error is somewhat larger. */
  private double standardError() {
    double mean = (nll - baseNll) / count;
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (changes[i] - mean) * (changes[i] - mean);
    }
    return count < 2 ? Double.NaN : Math.sqrt(sum / (count - 1) / count);
  }

  private double rootMeanSquare() {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (double) probabilityChanges[i] * probabilityChanges[i];
    }
    return Math.sqrt(sum / count);
  }

  private static double[] quantiles(float[] sorted) {
    double[] out = new double[DistanceSummary.QUANTILES.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = sorted[(int) Math.ceil(DistanceSummary.QUANTILES[i] * (sorted.length - 1))];
    }
    return out;
  }
}
