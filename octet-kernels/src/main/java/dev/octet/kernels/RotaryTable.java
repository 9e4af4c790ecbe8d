package dev.octet.kernels;

/**
 * The angles of a rotary embedding: channel pair i of position p turns by {@code p·inverse[i]}, and
 * the result is multiplied by {@code magnitude}.
 *
 * @param inverse inverse frequency of every pair; length dimension/2
 * @param magnitude factor on cos and sin (YaRN's mscale), 1 otherwise
 */
public record RotaryTable(double[] inverse, double magnitude) {
  /** Channels that are rotated. */
  public int dimension() {
    return 2 * inverse.length;
  }
}
