package dev.octet.quantize.observe;

/**
 * Watches the values of one tensor, or of one head or channel of it, and says which range its codes
 * should span. None keeps the values: what is remembered has a fixed size. Not for several threads
 * at once.
 */
public sealed interface Observer permits Extremes, MovingAverage, HistogramObserver {
  /**
   * Takes note of {@code values[from … to-1]}.
   *
   * @throws IllegalArgumentException if one is NaN or infinite
   */
  void add(float[] values, int from, int to);

  /** Says that a batch (a calibration sequence) is over; only {@link MovingAverage} cares. */
  default void endBatch() {}

  /** The range for what was seen so far; [0, 0] if that is nothing. */
  Range range();

  /** Refuses what would pass for a number once it is clamped. */
  static void requireFinite(float value) {
    if (!Float.isFinite(value)) {
      throw new IllegalArgumentException("its inputs are no finite numbers");
    }
  }
}
