package dev.octet.tensor;

/**
 * Quantizes weights that share one scale to integers, one at a time: for methods that change the
 * weights still to come by the error of those before (GPTQ), or that try several scales. One thread
 * uses one.
 *
 * <p>Formulas are those of {@link RoundToNearest}: {@code w' = (q - z)·s}, rounding half to even,
 * and in an asymmetric group zero is represented exactly.
 */
public final class GroupCoder {
  private static final ScaleRule[] RULES = {
    ScaleRule.TEXTBOOK, ScaleRule.FULL_RANGE, ScaleRule.CLIPPED
  };

  private final WeightType type;
  private final boolean symmetric;
  private final Clipping clipping;
  private final ScalePrecision precision;
  private final int lowest;
  private final int highest;
  private float scale = 1;
  private int zero;
  private float low;
  private float high;

  /**
   * @throws IllegalArgumentException if the scheme's codes are no integers
   */
  public GroupCoder(QuantScheme scheme, Clipping clipping) {
    if (scheme.type() != WeightType.INT8 && scheme.type() != WeightType.INT4) {
      throw new IllegalArgumentException(scheme.type().label() + " codes are no integers");
    }
    this.type = scheme.type();
    this.symmetric = scheme.symmetric();
    this.clipping = clipping;
    this.precision = scheme.scales();
    this.lowest = -(1 << type.bits() - 1);
    this.highest = -lowest - 1;
  }

  /** Scale of the group chosen or set last. */
  public float scale() {
    return scale;
  }

  /** Its zero point, in the signed code space. */
  public int zero() {
    return zero;
  }

  /** The least code. */
  public int lowest() {
    return lowest;
  }

  /** The greatest code. */
  public int highest() {
    return highest;
  }

  /** Takes a scale and zero point chosen before. */
  public void use(float newScale, int newZero) {
    scale = newScale;
    zero = newZero;
  }

  /**
   * Chooses scale and zero point for {@code values[from … to-1]}, which are finite: of all tries
   * the one with the least squared error.
   */
  public void choose(float[] values, int from, int to) {
    span(values, from, to);
    attempt(0);
    if (tries() == 1) {
      return;
    }
    float bestScale = scale;
    int bestZero = zero;
    double least = lossOf(values, from, to);
    for (int i = 1; i < tries(); i++) {
      attempt(i);
      double error = lossOf(values, from, to);
      if (error < least) {
        least = error;
        bestScale = scale;
        bestZero = zero;
      }
    }
    use(bestScale, bestZero);
  }

  /** Takes note of the range of {@code values[from … to-1]}, for {@link #attempt}. */
  public void span(float[] values, int from, int to) {
    low = Float.POSITIVE_INFINITY;
    high = Float.NEGATIVE_INFINITY;
    for (int j = from; j < to; j++) {
      low = Math.min(low, values[j]);
      high = Math.max(high, values[j]);
    }
    if (clipping.percentile() < 100) {
      float bound = clipping.bound(values, from, to);
      low = Math.max(low, -bound);
      high = Math.min(high, bound);
    }
  }

  /** How many scales there are to try; the first is that of the whole range. */
  public int tries() {
    return (clipping.steps() + 1) * variants();
  }

  /** Takes scale and zero point of try {@code i} for the values last given to {@link #span}. */
  public void attempt(int i) {
    float shrink = clipping.shrink(i / variants());
    set(low * shrink, high * shrink, i % variants());
  }

  /** Symmetric INT4 has several ways to use its one extra code; see {@link ScaleRule}. */
  private int variants() {
    return symmetric && type == WeightType.INT4 ? RULES.length : 1;
  }

  private void set(float least, float most, int variant) {
    if (symmetric) {
      use(precision.round(RULES[variant].scale(type, least, most)), 0);
      return;
    }
    float lo = Math.min(least, 0);
    float hi = Math.max(most, 0);
    float range = (float) (((double) hi - lo) / (highest - lowest));
    float step = precision.round(Math.max(range, ScaleRule.EPSILON));
    use(step, (int) Math.min(highest, Math.rint((double) -lo / step) + lowest));
  }

  /** Sum of the squared changes. */
  private double lossOf(float[] w, int from, int to) {
    double sum = 0;
    for (int j = from; j < to; j++) {
      float change = decode(encode(w[j])) - w[j];
      sum += (double) change * change;
    }
    return sum;
  }

  /** The nearest code. */
  public int encode(float value) {
    double q = Math.rint((double) value / scale) + zero;
    return (int) Math.max(lowest, Math.min(highest, q));
  }

  /** The weight that a code stands for. */
  public float decode(int code) {
    return (code - zero) * scale;
  }
}
