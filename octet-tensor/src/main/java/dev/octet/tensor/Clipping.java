package dev.octet.tensor;

import java.util.Arrays;

/**
 * Whether a group's range is narrowed before its scale is chosen: finer steps for most weights,
 * paid for by clipping the largest.
 *
 * @param percentile percentage of the weights' magnitudes that stay in range; 100: all
 * @param steps how many narrower ranges are tried; the one with the least loss is taken. 0: none
 * @param least the narrowest range tried, as a part of the whole
 */
public record Clipping(double percentile, int steps, double least) {
  /** The whole range. */
  public static final Clipping NONE = new Clipping(100, 0, 1);

  /** Ranges down to a half, as AWQ's search, in finer steps. */
  public static final Clipping SEARCH = new Clipping(100, 20, 0.5);

  public Clipping {
    if (!(percentile > 0 && percentile <= 100)) {
      throw new IllegalArgumentException("percentile must be in (0, 100], not " + percentile);
    }
    if (steps < 0 || !(least > 0 && least <= 1)) {
      throw new IllegalArgumentException(steps + " ranges down to " + least);
    }
  }

  /** The range that holds so many per cent of the weights' magnitudes. */
  public static Clipping ofPercentile(double percentile) {
    return new Clipping(percentile, 0, 1);
  }

  /** The part of the range that try {@code i} of 0…steps leaves. */
  float shrink(int i) {
    return steps == 0 ? 1 : (float) (1 - (1 - least) * i / steps);
  }

  /** The magnitude below which {@link #percentile} per cent of the values lie. */
  float bound(float[] values, int from, int to) {
    float[] sizes = Arrays.copyOfRange(values, from, to);
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = Math.abs(sizes[i]);
    }
    Arrays.sort(sizes);
    int rank = (int) Math.ceil(percentile / 100 * sizes.length) - 1;
    return sizes[Math.clamp(rank, 0, sizes.length - 1)];
  }
}
