package dev.octet.bench;

import java.util.Collections;
import java.util.List;

/**
 * What the accuracy table covers.
 *
 * @param distributions inputs
 * @param headDims values of d
 * @param lengths values of N
 * @param causal whether query i of m sees only the keys up to {@code N − m + i}
 * @param queries query rows m
 * @param seed of the inputs
 */
public record AccuracyOptions(
    List<Distribution> distributions,
    List<Integer> headDims,
    List<Integer> lengths,
    boolean causal,
    int queries,
    long seed) {
  /** Heads of a case. */
  static final int MOST_HEADS = 4;

  /** Of keys or values, which are one array. */
  private static final int MOST_ELEMENTS = 1 << 30;

  public AccuracyOptions {
    distributions = List.copyOf(distributions);
    headDims = List.copyOf(headDims);
    lengths = List.copyOf(lengths);
    if (distributions.isEmpty() || headDims.isEmpty() || lengths.isEmpty()) {
      throw new IllegalArgumentException("nothing to measure: no input, d or n");
    }
    if (headDims.stream().anyMatch(d -> d < 2 || d % 2 != 0 || d > 1024)) {
      throw new IllegalArgumentException("d must be even and between 2 and 1024: " + headDims);
    }
    if (queries < 1 || lengths.stream().anyMatch(n -> n < queries)) {
      throw new IllegalArgumentException(
          "every length of " + lengths + " must be at least the " + queries + " queries");
    }
    long largest = (long) Collections.max(lengths) * Collections.max(headDims) * MOST_HEADS;
    if (largest > MOST_ELEMENTS) {
      throw new IllegalArgumentException(
          "n = %d at d = %d takes %d elements, at most %d are possible"
              .formatted(
                  Collections.max(lengths), Collections.max(headDims), largest, MOST_ELEMENTS));
    }
  }

  /** All distributions, d = 64 and 128, N = 1k, 4k and 16k. */
  public static AccuracyOptions standard(boolean causal) {
    return new AccuracyOptions(
        List.of(Distribution.values()),
        List.of(64, 128),
        List.of(1024, 4096, 16384),
        causal,
        128,
        1);
  }

  /** All distributions at d = 128, N = 1k: seconds. */
  public static AccuracyOptions quick(boolean causal) {
    return new AccuracyOptions(
        List.of(Distribution.values()), List.of(128), List.of(1024), causal, 128, 1);
  }
}
