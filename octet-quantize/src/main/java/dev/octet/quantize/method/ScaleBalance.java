package dev.octet.quantize.method;

import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The factors of input channels with which rounding is expected to cost the output least. The error
 * of a rounded weight is spread evenly over a step, and a group's step is as wide as its largest
 * weight: with input channel j divided by {@code s_j} and column j multiplied, and {@code h_j =
 * E[x_j²]}, the squared error of the output grows with
 *
 * <pre>
 *   Σ over rows r and groups g:  max_{j∈g} (w_rj·s_j)² · Σ_{j∈g} h_j / s_j²
 * </pre>
 *
 * <p>which is convex in {@code ln s}. Where it is least, what channel j adds to the second factor
 * is, over all rows, its share in the first; the ratio of both is the way to go. AWQ looks for the
 * same along two curves (Lin et al., arXiv 2306.00978, section 3.2). The largest weight is taken as
 * the norm with exponent {@value #NORM}, so that all weights near it count.
 */
final class ScaleBalance {
  private static final int NORM = 32;
  private static final int STEPS = 60;

  /** From this step on, steps are short. */
  private static final int SETTLING = 40;

  /** The longest steps, in ln s. */
  private static final double LONG = 0.1;

  private static final double SHORT = 0.025;

  /** Channels that were hardly ever seen count as so much of an average one. */
  private static final double LEAST = 1e-4;

  /** Rows that decide, as many times the channels. */
  private static final int ENOUGH = 4;

  /** Rows that are read together. */
  private static final int BAND = 64;

  private final List<Tensor> weights;
  private final int k;
  private final int block;
  private final long stride;
  private final double[] h;
  private final double[] logs;

  private ScaleBalance(List<Tensor> weights, float[] rootMeanSquares, int block) {
    this.weights = weights;
    this.k = rootMeanSquares.length;
    this.block = block;
    long rows = weights.stream().mapToLong(Tensor::rows).sum();
    this.stride = Math.max(1, rows / ((long) ENOUGH * k));
    this.h = importance(rootMeanSquares);
    this.logs = new double[k];
  }

  /**
   * Finds factors, the largest and the smallest of which are each other's inverse.
   *
   * @param weights F32 [n, k] each: all that read the same input
   * @param rootMeanSquares of every channel
   * @param block columns of a group
   */
  static float[] of(List<Tensor> weights, float[] rootMeanSquares, int block) {
    return new ScaleBalance(weights, rootMeanSquares, block).run();
  }

  private static double[] importance(float[] rootMeanSquares) {
    double[] h = new double[rootMeanSquares.length];
    for (int j = 0; j < h.length; j++) {
      h[j] = (double) rootMeanSquares[j] * rootMeanSquares[j];
    }
    double mean = Arrays.stream(h).average().orElse(0);
    for (int j = 0; j < h.length; j++) {
      h[j] = mean == 0 ? 1 : Math.max(h[j], LEAST * mean);
    }
    return h;
  }

  private float[] run() {
    double least = Double.POSITIVE_INFINITY;
    double[] best = logs.clone();
    for (int step = 0; step < STEPS; step++) {
      Shares shares = shares();
      if (shares.error() < least) {
        least = shares.error();
        best = logs.clone();
      }
      move(shares, step < SETTLING ? LONG : SHORT);
    }
    return factors(best);
  }

  private static float[] factors(double[] logs) {
    double middle = (Arrays.stream(logs).min().orElse(0) + Arrays.stream(logs).max().orElse(0)) / 2;
    float[] s = new float[logs.length];
    for (int j = 0; j < s.length; j++) {
      s[j] = (float) Math.exp(logs[j] - middle);
    }
    return s;
  }

  private void move(Shares shares, double longest) {
    for (int j = 0; j < k; j++) {
      double rests = shares.steps()[j / block] * h[j] * Math.exp(-2 * logs[j]);
      double step = (Math.log(rests) - Math.log(shares.largest()[j])) / 4;
      logs[j] += Double.isNaN(step) ? 0 : Math.clamp(step, -longest, longest);
    }
  }

  /**
   * What the factors make of the error.
   *
   * @param steps of every group: its squared steps, summed over rows
   * @param largest of every channel: its shares in them, times the group's second factor
   */
  private record Shares(double[] steps, double[] largest) {
    Shares(int groups, int channels) {
      this(new double[groups], new double[channels]);
    }

    double error() {
      return Arrays.stream(largest).sum();
    }

    void add(Shares other) {
      add(steps, other.steps);
      add(largest, other.largest);
    }

    private static void add(double[] to, double[] more) {
      for (int i = 0; i < to.length; i++) {
        to[i] += more[i];
      }
    }
  }

  private Shares shares() {
    int groups = Math.ceilDiv(k, block);
    float[] squares = new float[k];
    double[] rests = new double[groups];
    for (int j = 0; j < k; j++) {
      squares[j] = (float) Math.exp(2 * logs[j]);
      rests[j / block] += h[j] / squares[j];
    }
    Shares sum = new Shares(groups, k);
    for (Tensor weight : weights) {
      int rows = Math.toIntExact(Math.ceilDiv(weight.rows(), stride));
      Shares[] bands = new Shares[Math.ceilDiv(rows, BAND)];
      IntStream.range(0, bands.length)
          .parallel()
          .forEach(
              b -> {
                bands[b] = new Shares(groups, k);
                float[] row = new float[k];
                for (int r = b * BAND; r < Math.min(rows, (b + 1) * BAND); r++) {
                  Products.read(weight, r * stride, 0, row, k);
                  add(row, squares, rests, bands[b]);
                }
              });
      for (Shares band : bands) {
        sum.add(band);
      }
    }
    return sum;
  }

  private void add(float[] row, float[] squares, double[] rests, Shares to) {
    for (int g = 0; g < rests.length; g++) {
      int from = g * block;
      int end = Math.min(k, from + block);
      float most = 0;
      for (int j = from; j < end; j++) {
        row[j] *= row[j] * squares[j];
        most = Math.max(most, row[j]);
      }
      if (most > 0) {
        double sum = powers(row, from, end, most);
        double step = most * Math.pow(sum, 2.0 / NORM);
        to.steps()[g] += step;
        double share = step * rests[g] / sum;
        for (int j = from; j < end; j++) {
          to.largest()[j] += share * row[j];
        }
      }
    }
  }

  /** Makes of squares those powers, relative to the largest, whose sum is the norm's. */
  private static double powers(float[] row, int from, int end, float most) {
    double sum = 0;
    for (int j = from; j < end; j++) {
      float power = row[j] / most;
      for (int e = 2; e < NORM; e *= 2) {
        power *= power;
      }
      row[j] = power;
      sum += power;
    }
    return sum;
  }
}
