package dev.octet.quantize.sensitivity;

import dev.octet.quantize.calibrate.InputStats;
import dev.octet.tensor.Tensor;
import java.util.Arrays;

/**
 * What a linear layer is given.
 *
 * @param kurtosis of all values; 3 for a normal distribution
 * @param channels input features
 * @param outliers channels whose largest magnitude is more than {@link #OUTLIER} times the median
 *     channel's
 * @param worst the largest channel's magnitude over the median channel's
 */
public record InputProfile(double kurtosis, int channels, int outliers, double worst) {
  /** From here on a channel is an outlier. */
  public static final double OUTLIER = 6;

  static InputProfile of(InputStats stats) {
    Moments moments = new Moments();
    Tensor sample = stats.sample();
    float[] row = new float[stats.channels()];
    for (long r = 0; r < sample.rows(); r++) {
      sample.copyRange(r * row.length, row);
      moments.add(row, row.length);
    }
    float[] sorted = stats.largest();
    Arrays.sort(sorted);
    double median = Math.max(sorted[sorted.length / 2], Float.MIN_NORMAL);
    int outliers = 0;
    for (float largest : sorted) {
      outliers += largest > OUTLIER * median ? 1 : 0;
    }
    return new InputProfile(
        moments.kurtosis(), sorted.length, outliers, sorted[sorted.length - 1] / median);
  }
}
