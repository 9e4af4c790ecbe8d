package dev.octet.kernels.attention;

import static dev.octet.kernels.KvSpec.BLOCK;

/**
 * What {@link dev.octet.kernels.AttentionKind#INT8_FAST} does otherwise than INT8, for tiles of 64
 * keys that a query sees all of, if their values' token scales c are much alike:
 *
 * <ul>
 *   <li>INT8 makes codes of c·P relative to the largest of the tile, {@code max(c·P)}. Here they
 *       are relative to {@code max c · max P}, which is no less and known before c meets P. At most
 *       two of eight bits are lost, as scales differ by a factor of four at most; where they differ
 *       by more, as in the tile of an attention sink, the tile is taken as INT8 takes it.
 *   <li>2ˣ is a polynomial of degree 2, which is 0.17 % off at most: half a code.
 * </ul>
 *
 * <p>All queries' results depend on nothing but what they see.
 */
public final class FastStep {
  /** By how much the largest scale may exceed the least. */
  public static final float MOST_SPREAD = 4;

  /** 2ˣ on [−½, ½]: minimax in relative error by Lawson iteration, 1.73e-3. */
  public static final float C0 = 1.0004431f;

  public static final float C1 = 0.70344824f;

  public static final float C2 = 0.23842894f;

  private FastStep() {}

  /**
   * The largest of a tile's scales if it can be the bound.
   *
   * @param count how many there are; the tile is full with {@link dev.octet.kernels.KvSpec#BLOCK}
   * @return 0 if the tile is not full, its scales differ too much or some is 0 or no number
   */
  public static float bound(float[] scales, int count) {
    if (count < BLOCK) {
      return 0;
    }
    float least = Float.POSITIVE_INFINITY;
    float most = 0;
    for (int j = 0; j < BLOCK; j++) {
      least = Math.min(least, scales[j]);
      most = Math.max(most, scales[j]);
    }
    return least > 0 && most <= MOST_SPREAD * least && most < Float.POSITIVE_INFINITY ? most : 0;
  }

  /** 2ˣ as the kind has it; NaN for NaN. */
  public static double exp2(double x) {
    double whole = Math.rint(x);
    double f = x - whole;
    return (C0 + f * (C1 + f * C2)) * Math.pow(2, whole);
  }
}
