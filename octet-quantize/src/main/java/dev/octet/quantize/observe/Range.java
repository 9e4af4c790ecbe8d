package dev.octet.quantize.observe;

/**
 * The values that codes are to span; what lies beyond is clipped. Zero is always among them.
 *
 * @param low at most 0
 * @param high at least 0
 */
public record Range(float low, float high) {
  /**
   * @throws IllegalArgumentException if a bound is no finite number
   */
  public Range {
    if (!Float.isFinite(low) || !Float.isFinite(high)) {
      throw new IllegalArgumentException("a range from " + low + " to " + high);
    }
    low = Math.min(low, 0) + 0f; // −0 becomes 0
    high = Math.max(high, 0) + 0f;
  }

  /** The magnitude that a symmetric scale must hold. */
  public float largest() {
    return Math.max(-low, high);
  }
}
