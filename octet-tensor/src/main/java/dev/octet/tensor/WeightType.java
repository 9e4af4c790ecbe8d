package dev.octet.tensor;

import java.util.Locale;

/** What a weight's codes are. */
public enum WeightType {
  INT8(8),
  INT4(4),
  FP8_E4M3(8),
  FP8_E5M2(8);

  private final int bits;

  WeightType(int bits) {
    this.bits = bits;
  }

  public int bits() {
    return bits;
  }

  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
