package dev.octet.tensor;

/** Which scales are sound; none may be infinite or NaN. */
public enum ScaleSign {
  /** Positive only: zero or less would silence or invert a block, and no tool writes it. */
  POSITIVE,
  /**
   * Any: in GGUF a block's scale carries the sign of its largest weight, and is zero where all its
   * weights are.
   */
  ANY;

  boolean allows(float scale) {
    return Float.isFinite(scale) && (this == ANY || scale > 0);
  }
}
