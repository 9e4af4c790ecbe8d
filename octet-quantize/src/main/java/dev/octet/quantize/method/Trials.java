package dev.octet.quantize.method;

import dev.octet.tensor.GroupCoder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * All ranges tried for a group, each in a lane of its own: what one of them costs is a chain of
 * dependent steps, which sixteen go through in the time of one. Losses are F32 and good for telling
 * which is the least. One thread uses one.
 */
final class Trials {
  private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;

  /** Added and taken away again, rounds what is smaller than 2²² to an integer, half to even. */
  private static final float ROUND = 0x1.8p23f;

  /** Columns after which tries that can no longer be the best are given up. */
  private static final int PATIENCE = 16;

  private final GroupCoder coder;
  private final float[] scales;
  private final float[] lows;
  private final float[] highs;
  private final float[] losses;
  private float[] room = new float[0];

  /**
   * @param coder chooses scales and zero points of tries
   */
  Trials(GroupCoder coder) {
    this.coder = coder;
    int padded = Math.ceilDiv(coder.tries(), LANES.length()) * LANES.length();
    this.scales = new float[padded];
    this.lows = new float[padded];
    this.highs = new float[padded];
    this.losses = new float[padded];
  }

  /** Losses of the tries from {@code lane} on; none need be right that is not below the limit. */
  @FunctionalInterface
  private interface Loss {
    FloatVector of(float[] values, int lane, float limit);
  }

  /**
   * The try that leaves the least error behind once each column has been made up for by those after
   * it, {@code Σ e²}; see {@link Gptq}.
   *
   * @param values weights of the group's columns
   * @param factor rows of U; the group's columns begin at {@code at}
   */
  int compensated(float[] values, int at, float[][] factor) {
    return best(values, (v, lane, limit) -> compensated(v, lane, at, factor, limit));
  }

  /**
   * The try whose change of the weights costs least: {@code d·H·dᵀ + 2·d·o}; see {@link GroupLoss}.
   *
   * @param h its rows, as many as values
   * @param outside o
   */
  int joint(float[] values, float[][] h, float[] outside) {
    return best(values, (v, lane, limit) -> joint(v, lane, h, outside));
  }

  /**
   * The try whose change of the weights costs least where no two inputs go together: {@code Σ
   * h·d²}.
   *
   * @param h one for each value
   */
  int apart(float[] values, float[] h) {
    return best(values, (v, lane, limit) -> apart(v, lane, h));
  }

  private int best(float[] values, Loss loss) {
    enter(values);
    int best = 0;
    float least = Float.POSITIVE_INFINITY;
    for (int lane = 0; lane < losses.length; lane += LANES.length()) {
      loss.of(values, lane, least).intoArray(losses, lane);
      for (int i = lane; i < lane + LANES.length(); i++) {
        if (losses[i] < least) {
          least = losses[i];
          best = i;
        }
      }
    }
    return best;
  }

  /** Lanes beyond the tries repeat the first. */
  private void enter(float[] values) {
    coder.span(values, 0, values.length);
    for (int i = 0; i < scales.length; i++) {
      coder.attempt(i < coder.tries() ? i : 0);
      scales[i] = coder.scale();
      lows[i] = coder.lowest() - coder.zero();
      highs[i] = coder.highest() - coder.zero();
    }
  }

  /** A vector for each of so many columns. */
  private float[] room(int columns) {
    if (room.length < columns * LANES.length()) {
      room = new float[columns * LANES.length()];
    }
    return room;
  }

  /** What a weight becomes with the tries from {@code lane} on. */
  private FloatVector coded(FloatVector value, int lane) {
    FloatVector scale = FloatVector.fromArray(LANES, scales, lane);
    return value
        .div(scale)
        .max(FloatVector.fromArray(LANES, lows, lane))
        .min(FloatVector.fromArray(LANES, highs, lane))
        .add(ROUND)
        .sub(ROUND)
        .mul(scale);
  }

  private FloatVector compensated(float[] values, int lane, int at, float[][] factor, float limit) {
    FloatVector sum = FloatVector.zero(LANES);
    int width = LANES.length();
    float[] left = room(values.length);
    for (int j = 0; j < values.length; j++) {
      lanes(values[j]).intoArray(left, j * width);
    }
    for (int i = 0; i < values.length; i++) {
      float[] along = factor[at + i];
      FloatVector value = FloatVector.fromArray(LANES, left, i * width);
      FloatVector error = value.sub(coded(value, lane)).div(along[at + i]);
      sum = error.fma(error, sum);
      FloatVector less = error.neg();
      for (int j = i + 1; j < values.length; j++) {
        less.fma(lanes(along[at + j]), FloatVector.fromArray(LANES, left, j * width))
            .intoArray(left, j * width);
      }
      if (i % PATIENCE == 0 && !sum.lt(limit).anyTrue()) {
        return lanes(Float.POSITIVE_INFINITY);
      }
    }
    return sum;
  }

  /** H is symmetric: half of its products do. */
  private FloatVector joint(float[] values, int lane, float[][] h, float[] outside) {
    FloatVector sum = FloatVector.zero(LANES);
    int width = LANES.length();
    float[] changes = room(values.length);
    for (int j = 0; j < values.length; j++) {
      FloatVector value = lanes(values[j]);
      FloatVector d = coded(value, lane).sub(value);
      d.intoArray(changes, j * width);
      FloatVector pull = before(changes, h[j], j).add(outside[j]);
      sum = d.fma(pull.add(pull).add(d.mul(h[j][j])), sum);
    }
    return sum;
  }

  private FloatVector apart(float[] values, int lane, float[] h) {
    FloatVector sum = FloatVector.zero(LANES);
    for (int j = 0; j < values.length; j++) {
      FloatVector value = lanes(values[j]);
      FloatVector d = coded(value, lane).sub(value);
      sum = d.fma(d.mul(h[j]), sum);
    }
    return sum;
  }

  /** What the changes of the columns before {@code j} pull at it, in four chains. */
  private FloatVector before(float[] changes, float[] line, int j) {
    int width = LANES.length();
    FloatVector a = FloatVector.zero(LANES);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    int i = 0;
    for (; i + 3 < j; i += 4) {
      a = FloatVector.fromArray(LANES, changes, i * width).fma(lanes(line[i]), a);
      b = FloatVector.fromArray(LANES, changes, (i + 1) * width).fma(lanes(line[i + 1]), b);
      c = FloatVector.fromArray(LANES, changes, (i + 2) * width).fma(lanes(line[i + 2]), c);
      d = FloatVector.fromArray(LANES, changes, (i + 3) * width).fma(lanes(line[i + 3]), d);
    }
    for (; i < j; i++) {
      a = FloatVector.fromArray(LANES, changes, i * width).fma(lanes(line[i]), a);
    }
    return a.add(b).add(c.add(d));
  }

  private static FloatVector lanes(float value) {
    return FloatVector.broadcast(LANES, value);
  }
}
