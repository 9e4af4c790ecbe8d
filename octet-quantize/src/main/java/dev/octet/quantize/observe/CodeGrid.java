package dev.octet.quantize.observe;

import dev.octet.tensor.Codecs;

/** The numbers that 8-bit codes stand for before they are scaled. */
public enum CodeGrid {
  /** −128 … 127; symmetric scales are made for 127. */
  INT8(127) {
    @Override
    double nearest(double value) {
      return Math.max(-128, Math.min(127, Math.rint(value)));
    }
  },
  /** E4M3, up to 448. */
  FP8(Codecs.E4M3_MAX) {
    @Override
    double nearest(double value) {
      return Codecs.e4m3ToFloat(Codecs.floatToE4m3((float) value));
    }
  };

  private final float largest;

  CodeGrid(float largest) {
    this.largest = largest;
  }

  /** The largest number. */
  public float largest() {
    return largest;
  }

  /** The number that a value becomes. */
  abstract double nearest(double value);

  /** The scale that makes the largest code of a range's largest value; never 0. */
  public float scale(Range range) {
    return Math.max(range.largest() / largest, Float.MIN_NORMAL);
  }
}
