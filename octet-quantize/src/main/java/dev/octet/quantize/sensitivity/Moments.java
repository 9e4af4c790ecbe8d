package dev.octet.quantize.sensitivity;

import dev.octet.tensor.QuantizedWeight;

/** How heavy the tails of a distribution are: its kurtosis, 3 for a normal one. */
final class Moments {
  private long count;
  private double sum;
  private double squares;
  private double cubes;
  private double fourths;

  void add(float[] values, int length) {
    for (int i = 0; i < length; i++) {
      double v = values[i];
      double square = v * v;
      sum += v;
      squares += square;
      cubes += square * v;
      fourths += square * square;
    }
    count += length;
  }

  static double kurtosis(QuantizedWeight weight) {
    Moments moments = new Moments();
    float[] row = new float[Math.toIntExact(weight.columns())];
    for (long r = 0; r < weight.rows(); r++) {
      weight.dequantizeRow(r, row);
      moments.add(row, row.length);
    }
    return moments.kurtosis();
  }

  /** The fourth moment about the mean over the squared second; NaN where nothing varies. */
  double kurtosis() {
    double mean = sum / count;
    double second = squares / count - mean * mean;
    double fourth =
        fourths / count
            - 4 * mean * cubes / count
            + 6 * mean * mean * squares / count
            - 3 * mean * mean * mean * mean;
    return second > 0 ? fourth / (second * second) : Double.NaN;
  }
}
