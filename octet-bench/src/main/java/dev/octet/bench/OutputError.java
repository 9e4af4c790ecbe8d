package dev.octet.bench;

/** Differences between outputs and the exact ones, summed over all heads. */
final class OutputError {
  private double error;
  private double square;
  private double total;
  private double dot;
  private double norm;
  private double exactNorm;
  private long count;

  void add(double[] got, double[] exact) {
    for (int i = 0; i < got.length; i++) {
      double e = got[i] - exact[i];
      error += Math.abs(e);
      square += e * e;
      total += Math.abs(exact[i]);
      dot += got[i] * exact[i];
      norm += got[i] * got[i];
      exactNorm += exact[i] * exact[i];
    }
    count += got.length;
  }

  double relL1() {
    return error / total;
  }

  double cos() {
    return dot / Math.sqrt(norm * exactNorm);
  }

  double rmse() {
    return Math.sqrt(square / count);
  }
}
