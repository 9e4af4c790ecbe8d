package dev.octet.quantize.observe;

/**
 * Running extremes: those of every batch move the range by a part of their distance from it, so
 * that one odd batch does not decide ("dynamic calibration"; the moving-average observer of
 * PyTorch). The first batch counts as a whole.
 */
final class MovingAverage implements Observer {
  private final double constant;
  private float batchLow;
  private float batchHigh;
  private boolean batchBegun;
  private double low;
  private double high;
  private boolean begun;

  /**
   * @param constant how far a batch moves the range, in (0, 1]
   */
  MovingAverage(double constant) {
    this.constant = constant;
  }

  @Override
  public void add(float[] values, int from, int to) {
    for (int i = from; i < to; i++) {
      batchLow = Math.min(batchLow, values[i]);
      batchHigh = Math.max(batchHigh, values[i]);
      batchBegun = true;
    }
    Observer.requireFinite(batchLow);
    Observer.requireFinite(batchHigh);
  }

  @Override
  public void endBatch() {
    if (!batchBegun) {
      return;
    }
    low += (begun ? constant : 1) * (batchLow - low);
    high += (begun ? constant : 1) * (batchHigh - high);
    begun = true;
    batchBegun = false;
    batchLow = 0;
    batchHigh = 0;
  }

  /** A batch that was begun counts as if it were over. */
  @Override
  public Range range() {
    endBatch();
    return new Range((float) low, (float) high);
  }
}
