package dev.octet.quantize.observe;

import java.util.Arrays;

/**
 * How often values of each size occurred: {@value #HALF} bins on either side of zero, their width a
 * power of two that doubles whenever a value does not fit, neighbours falling together. Bins begin
 * at multiples of their width, so that the counts depend on the values alone, not on their order or
 * on how they were batched; and the largest magnitude lies in the upper half of the bins.
 *
 * <p>Bin j ≥ 0 holds {@code [j·width, (j+1)·width)}, bin j &lt; 0 the same formula: bins j and −1−j
 * mirror each other.
 */
final class Histogram {
  /** Bins on either side of zero. */
  static final int HALF = 2048;

  private static final int HALF_BITS = 11;

  /** Below any float's. */
  private static final int NO_EXPONENT = -1000;

  private final long[] counts = new long[2 * HALF];
  private int exponent = NO_EXPONENT;
  private long count;
  private float low;
  private float high;

  /** Counts {@code values[from … to-1]}, all finite. */
  void add(float[] values, int from, int to) {
    float least = low;
    float most = high;
    for (int i = from; i < to; i++) {
      least = Math.min(least, values[i]); // a NaN stays
      most = Math.max(most, values[i]);
    }
    Observer.requireFinite(least);
    Observer.requireFinite(most);
    low = least;
    high = most;
    fit(Math.max(-low, high));
    double perWidth = Math.scalb(1.0, -exponent);
    for (int i = from; i < to; i++) {
      counts[(int) Math.floor(values[i] * perWidth) + HALF]++;
    }
    count += to - from;
  }

  /** Widens the bins until the magnitude fits. */
  private void fit(float largest) {
    if (largest == 0) {
      return;
    }
    int wanted = Math.getExponent((double) largest) + 1 - HALF_BITS;
    if (wanted > exponent) {
      if (exponent != NO_EXPONENT) {
        merge(Math.min(wanted - exponent, HALF_BITS + 1));
      }
      exponent = wanted;
    }
  }

  private void merge(int doublings) {
    long[] old = counts.clone();
    Arrays.fill(counts, 0);
    for (int i = 0; i < old.length; i++) {
      counts[(i - HALF >> doublings) + HALF] += old[i];
    }
  }

  /** Values counted. */
  long count() {
    return count;
  }

  /** Smallest value, at most 0. */
  float low() {
    return low;
  }

  /** Largest value, at least 0. */
  float high() {
    return high;
  }

  float largest() {
    return Math.max(-low, high);
  }

  /** Width of a bin; 0 as long as all values were 0. */
  double width() {
    return exponent == NO_EXPONENT ? 0 : Math.scalb(1.0, exponent);
  }

  /** How many values lie in bin j of −{@value #HALF} … {@value #HALF}−1. */
  long in(int j) {
    return counts[j + HALF];
  }

  /** How many magnitudes lie in bin j ≥ 0: in it, or in its mirror image. */
  long sized(int j) {
    return counts[HALF + j] + counts[HALF - 1 - j];
  }

  /** Bins of magnitudes up to the last that holds any, at least 1. */
  int used() {
    int last = HALF - 1;
    while (last > 0 && sized(last) == 0) {
      last--;
    }
    return last + 1;
  }
}
