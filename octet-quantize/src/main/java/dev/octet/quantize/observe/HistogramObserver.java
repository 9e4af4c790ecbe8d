package dev.octet.quantize.observe;

/** Counts values by size and leaves what to make of the counts to a {@link ClippingRule}. */
final class HistogramObserver implements Observer {
  private final Histogram histogram = new Histogram();
  private final ClippingRule rule;

  HistogramObserver(ClippingRule rule) {
    this.rule = rule;
  }

  @Override
  public void add(float[] values, int from, int to) {
    histogram.add(values, from, to);
  }

  @Override
  public Range range() {
    return histogram.largest() == 0 ? new Range(0, 0) : rule.range(histogram);
  }
}
