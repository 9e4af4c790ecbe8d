package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Narrow codes seen as lanes of 32 bits. A vector of 32-bit words read from memory holds {@code
 * perWord} codes a lane; masks and shifts take them out one place at a time, which is cheaper than
 * widening. Place p of lane i is column {@code i·perWord + p}, so x is laid out place by place.
 */
final class Lanes {
  static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;

  private static final VectorShuffle<Float> BY_8 = rotation(8);
  private static final VectorShuffle<Float> BY_4 = rotation(4);
  private static final VectorShuffle<Float> BY_2 = rotation(2);

  private Lanes() {}

  private static VectorShuffle<Float> rotation(int lanes) {
    return VectorShuffle.fromOp(F, i -> (i + lanes) % LANES);
  }

  /** x in the order of places; what does not fill a whole vector of words stays where it was. */
  static float[] arrange(float[] x, int perWord) {
    float[] out = x.clone();
    int block = perWord * LANES;
    for (int from = 0; from + block <= x.length; from += block) {
      for (int i = 0; i < LANES; i++) {
        for (int p = 0; p < perWord; p++) {
          out[from + p * LANES + i] = x[from + i * perWord + p];
        }
      }
    }
    return out;
  }

  /** Columns of a row of {@code k} that fill whole vectors of words. */
  static int whole(int k, int perWord) {
    return k - k % (perWord * LANES);
  }

  static FloatVector toFloat(IntVector v) {
    return (FloatVector) v.convertShape(VectorOperators.I2F, F, 0);
  }

  /** Sum over lanes that hold integers of magnitude below 2²⁴, exactly. */
  static long exactSum(FloatVector v) {
    IntVector whole = (IntVector) v.convertShape(VectorOperators.F2I, I, 0);
    return whole.reduceLanes(VectorOperators.ADD);
  }

  /**
   * Sum over lanes, halves onto halves. The JDK's own reduction leaves the order open, and compiled
   * and interpreted code differ in it; the same seed must give the same text.
   */
  static float sum(FloatVector v) {
    FloatVector s = v;
    if (LANES > 8) {
      s = s.add(s.rearrange(BY_8));
    }
    if (LANES > 4) {
      s = s.add(s.rearrange(BY_4));
    }
    if (LANES > 2) {
      s = s.add(s.rearrange(BY_2));
    }
    return s.lane(0) + s.lane(1);
  }
}
