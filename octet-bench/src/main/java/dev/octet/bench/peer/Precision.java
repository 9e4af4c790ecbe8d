package dev.octet.bench.peer;

/**
 * What a peer computes with, and how far its result may then lie from ours. The limits are several
 * times the rounding errors of these types on normal inputs: they catch a peer that computes
 * something else (a transposed weight, the wrong mask), not one that rounds a little worse.
 */
public enum Precision {
  F32(0.001),
  BF16(0.02),
  INT8(0.05),
  INT4(0.3);

  private final double limit;

  Precision(double limit) {
    this.limit = limit;
  }

  /** Largest sum of absolute differences, over the sum of absolute values of the right result. */
  public double limit() {
    return limit;
  }
}
