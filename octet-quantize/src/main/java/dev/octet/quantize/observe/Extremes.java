package dev.octet.quantize.observe;

/** The smallest and the largest value: nothing is clipped. */
final class Extremes implements Observer {
  private float low;
  private float high;

  @Override
  public void add(float[] values, int from, int to) {
    for (int i = from; i < to; i++) {
      low = Math.min(low, values[i]); // a NaN stays
      high = Math.max(high, values[i]);
    }
    Observer.requireFinite(low);
    Observer.requireFinite(high);
  }

  @Override
  public Range range() {
    return new Range(low, high);
  }
}
