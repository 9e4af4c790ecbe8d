package dev.octet.tensor;

import java.util.Locale;

/** What shares one scale. */
public enum ScaleGranularity {
  TENSOR,
  CHANNEL,
  GROUP,
  BLOCK;

  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
