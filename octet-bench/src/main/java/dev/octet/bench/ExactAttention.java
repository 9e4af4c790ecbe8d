package dev.octet.bench;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;

/**
 * Attention of one head in F64, blocks of 64 keys under a running maximum, with a hook that rounds
 * P: without it the yardstick, with it an emulation. Row sums are of the unrounded P.
 */
final class ExactAttention {
  private static final int BLOCK = 64;

  private final HeadInput x;
  private final boolean causal;
  private final DoubleUnaryOperator probability;

  private ExactAttention(HeadInput x, boolean causal, DoubleUnaryOperator probability) {
    this.x = x;
    this.causal = causal;
    this.probability = probability;
  }

  /** Output [m, d]; the queries stand at the last m positions. */
  static double[] of(HeadInput x, boolean causal, DoubleUnaryOperator probability) {
    return new ExactAttention(x, causal, probability).run();
  }

  private double[] run() {
    int d = x.d();
    double[] out = new double[x.m() * d];
    double[] max = new double[x.m()];
    double[] sum = new double[x.m()];
    Arrays.fill(max, Double.NEGATIVE_INFINITY);
    double[] keys = new double[d * BLOCK];
    double[] values = new double[BLOCK * d];
    double[] s = new double[BLOCK];
    for (int first = 0; first < x.n(); first += BLOCK) {
      int count = Math.min(BLOCK, x.n() - first);
      load(first, count, keys, values);
      for (int i = 0; i < x.m(); i++) {
        int seen = causal ? Math.min(count, x.n() - x.m() + i + 1 - first) : count;
        if (seen > 0) {
          scores(i, keys, s);
          add(i, s, seen, values, out, max, sum);
        }
      }
    }
    for (int i = 0; i < out.length; i++) {
      out[i] /= sum[i / d];
    }
    return out;
  }

  /** Keys channel-major, so that the loop over keys is one the compiler vectorizes. */
  private void load(int first, int count, double[] keys, double[] values) {
    int d = x.d();
    for (int j = 0; j < count; j++) {
      for (int c = 0; c < d; c++) {
        keys[c * BLOCK + j] = x.k()[(first + j) * d + c];
        values[j * d + c] = x.v()[(first + j) * d + c];
      }
    }
  }

  private void scores(int i, double[] keys, double[] s) {
    Arrays.fill(s, 0);
    double scale = 1 / Math.sqrt(x.d());
    for (int c = 0; c < x.d(); c++) {
      double q = x.q()[i * x.d() + c] * scale;
      for (int j = 0; j < BLOCK; j++) {
        s[j] += q * keys[c * BLOCK + j];
      }
    }
  }

  private void add(
      int i, double[] s, int seen, double[] values, double[] out, double[] max, double[] sum) {
    int d = x.d();
    double raised = max[i];
    for (int j = 0; j < seen; j++) {
      raised = Math.max(raised, s[j]);
    }
    double alpha = Math.exp(max[i] - raised);
    max[i] = raised;
    sum[i] *= alpha;
    for (int c = i * d; c < (i + 1) * d; c++) {
      out[c] *= alpha;
    }
    for (int j = 0; j < seen; j++) {
      double p = Math.exp(s[j] - raised);
      sum[i] += p;
      double rounded = probability.applyAsDouble(p);
      for (int c = 0; c < d; c++) {
        out[i * d + c] += rounded * values[j * d + c];
      }
    }
  }
}
