package dev.octet.checkpoint.gguf;

/**
 * Least-squares scales of a few weights. Codes for a given scale are the nearest; the best scale
 * for given codes has a closed form; so scales around the obvious one are tried, each is replaced
 * by the best for its codes, and the one that leaves the least error wins.
 */
final class ScaleSearch {
  /** Trials on each side of the obvious scale, and how far apart, in steps of the largest code. */
  private static final int TRIALS = 9;

  private static final double STEP = 0.1;

  private ScaleSearch() {}

  /** {@code x ≈ s·q + o} with {@code o ≤ 0 ≤ s}. */
  record Line(float scale, float offset) {}

  /**
   * The scale s, of either sign, for {@code x ≈ s·q} with q from {@code -half} to {@code half - 1}.
   */
  static float symmetric(float[] x, int from, int count, int half) {
    float extreme = SmallEncoders.extreme(x, from, count);
    if (extreme == 0) {
      return 0;
    }
    double best = extreme / -(double) half;
    double mostExplained = -1;
    for (int t = -TRIALS; t <= TRIALS; t++) {
      double inverse = -(half + STEP * t) / extreme;
      double xq = 0;
      double qq = 0;
      for (int j = from; j < from + count; j++) {
        double q = Math.max(-half, Math.min(half - 1, Math.rint(inverse * x[j])));
        xq += x[j] * q;
        qq += q * q;
      }
      double explained = qq == 0 ? 0 : xq * xq / qq; // Σx² less the error that is left
      if (explained > mostExplained) {
        mostExplained = explained;
        best = qq == 0 ? best : xq / qq;
      }
    }
    return (float) best;
  }

  /** The line for {@code x ≈ s·q + o} with q from 0 to {@code highest}. */
  static Line affine(float[] x, int from, int count, int highest) {
    double low = 0;
    double high = 0;
    for (int j = from; j < from + count; j++) {
      low = Math.min(low, x[j]);
      high = Math.max(high, x[j]);
    }
    if (high == low) {
      return new Line(0, 0);
    }
    Line best = new Line((float) ((high - low) / highest), (float) low);
    double least = error(x, from, count, highest, best);
    for (int t = -TRIALS; t <= TRIALS; t++) {
      double inverse = (highest + STEP * t) / (high - low);
      Line line = fit(x, from, count, highest, inverse, low);
      double error = error(x, from, count, highest, line);
      if (error < least) {
        least = error;
        best = line;
      }
    }
    return best;
  }

  /** The best line for the codes that {@code inverse} and {@code low} give. */
  private static Line fit(float[] x, int from, int count, int highest, double inverse, double low) {
    double sumQ = 0;
    double sumQq = 0;
    double sumX = 0;
    double sumXq = 0;
    for (int j = from; j < from + count; j++) {
      double q = Math.max(0, Math.min(highest, Math.rint(inverse * (x[j] - low))));
      sumQ += q;
      sumQq += q * q;
      sumX += x[j];
      sumXq += x[j] * q;
    }
    double determinant = count * sumQq - sumQ * sumQ;
    double scale = determinant > 0 ? (count * sumXq - sumX * sumQ) / determinant : 0;
    double offset = determinant > 0 ? (sumX * sumQq - sumXq * sumQ) / determinant : low;
    if (offset > 0) { // the format subtracts
      offset = 0;
      scale = sumQq > 0 ? sumXq / sumQq : 0;
    }
    return new Line((float) Math.max(0, scale), (float) offset);
  }

  private static double error(float[] x, int from, int count, int highest, Line line) {
    double sum = 0;
    for (int j = from; j < from + count; j++) {
      double steps = line.scale == 0 ? 0 : Math.rint(((double) x[j] - line.offset) / line.scale);
      double q = Math.max(0, Math.min(highest, steps));
      double off = q * line.scale + line.offset - x[j];
      sum += off * off;
    }
    return sum;
  }
}
