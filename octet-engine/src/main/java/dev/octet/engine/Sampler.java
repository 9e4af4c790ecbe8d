package dev.octet.engine;

import dev.octet.tensor.NotFiniteException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Chooses the next token of one sequence. The steps and their order are vLLM's: repetition penalty,
 * temperature, min-p, top-k, top-p, then a draw from what is left, renormalized.
 *
 * <p>Everything is deterministic: equal logits rank by lower id, and the one random number per
 * token comes from L64X128MixRandom, whose sequence the JDK fixes for a seed. Greedy draws none.
 */
public final class Sampler {
  private static final String ALGORITHM = "L64X128MixRandom";

  private final SamplingParams params;
  private final RandomGenerator random;
  private final BitSet seen = new BitSet();

  /** Unnormalized probabilities by id: 1 for the most likely token. */
  private double[] weights = {};

  /**
   * @param prompt tokens that the repetition penalty counts as seen
   */
  public Sampler(SamplingParams params, int[] prompt) {
    this.params = params;
    this.random = RandomGeneratorFactory.of(ALGORITHM).create(params.seed());
    for (int id : prompt) {
      seen.set(id);
    }
  }

  /**
   * The next token, which from now on counts as seen.
   *
   * @param logits one a token of the vocabulary; changed on the way
   * @throws NotFiniteException if one is NaN or +∞, or all are −∞
   */
  public int next(float[] logits) {
    if (logits.length == 0) {
      throw new IllegalArgumentException("no logits to choose from");
    }
    penalize(logits);
    int best = argmax(logits);
    int chosen = params.temperature() == 0 ? best : draw(logits, logits[best]);
    seen.set(chosen);
    return chosen;
  }

  private void penalize(float[] logits) {
    double penalty = params.repetitionPenalty();
    if (penalty == 1) {
      return;
    }
    for (int id = seen.nextSetBit(0); id >= 0 && id < logits.length; id = seen.nextSetBit(id + 1)) {
      logits[id] = (float) (logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty);
    }
  }

  private static int argmax(float[] logits) {
    int best = 0;
    for (int id = 0; id < logits.length; id++) {
      float logit = logits[id];
      if (Float.isNaN(logit) || logit == Float.POSITIVE_INFINITY) {
        throw new NotFiniteException(
            "the logit of token " + id + " is " + logit + "; are the weights damaged?");
      }
      if (logit > logits[best]) {
        best = id;
      }
    }
    if (logits[best] == Float.NEGATIVE_INFINITY) {
      throw new NotFiniteException("every logit is -Infinity: there is no token to choose");
    }
    return best;
  }

  private int draw(float[] logits, float max) {
    weigh(logits, max);
    int[] ids = candidates(logits.length);
    if (params.topK() > 0 && params.topK() < ids.length) {
      ids = Arrays.copyOf(ranked(ids, logits), params.topK());
    }
    if (params.topP() < 1) {
      ids = nucleus(ids, logits);
    }
    return pick(ids);
  }

  /** Every exponential once: over a large vocabulary they are most of the work. */
  private void weigh(float[] logits, float max) {
    if (weights.length < logits.length) {
      weights = new double[logits.length];
    }
    for (int id = 0; id < logits.length; id++) {
      weights[id] = Math.exp(((double) logits[id] - max) / params.temperature());
    }
  }

  private double mass(int[] ids) {
    double total = 0;
    for (int id : ids) {
      total += weights[id];
    }
    return total;
  }

  /** Tokens that min-p leaves; without it, those that have a probability at all. */
  private int[] candidates(int vocabulary) {
    int[] ids = new int[vocabulary];
    int n = 0;
    for (int id = 0; id < vocabulary; id++) {
      if (weights[id] > 0 && weights[id] >= params.minP()) {
        ids[n++] = id;
      }
    }
    return Arrays.copyOf(ids, n);
  }

  /** The fewest of the most likely tokens that together reach top-p of what {@code ids} weigh. */
  private int[] nucleus(int[] ids, float[] logits) {
    double total = mass(ids);
    double goal = params.topP() * total;
    // A token below this cannot be needed: all such together weigh less than 1 - top-p.
    double floor = (total - goal) / ids.length;
    int[] likely = Arrays.stream(ids).filter(id -> weights[id] >= floor).toArray();
    int[] ranked = ranked(likely, logits);
    double sum = 0;
    int n = 0;
    while (n < ranked.length && sum < goal) {
      sum += weights[ranked[n++]];
    }
    return Arrays.copyOf(ranked, Math.max(1, n));
  }

  /** Inverse of the cumulative distribution over {@code ids} in ascending order. */
  private int pick(int[] ids) {
    int[] order = ids.clone();
    Arrays.sort(order);
    double target = random.nextDouble() * mass(order);
    for (int id : order) {
      target -= weights[id];
      if (target < 0) {
        return id;
      }
    }
    return order[order.length - 1]; // rounding left a sliver beyond the last
  }

  /** By falling logit, then rising id: one sort of longs that hold both. */
  private static int[] ranked(int[] ids, float[] logits) {
    long[] keys = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      int bits = Float.floatToIntBits(logits[ids[i]] + 0f); // -0 ranks with 0
      int ascending = bits < 0 ? bits ^ 0x7FFFFFFF : bits; // signed order equals float order
      keys[i] = (long) ~ascending << 32 | ids[i];
    }
    Arrays.sort(keys);
    int[] out = new int[keys.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (int) keys[i];
    }
    return out;
  }
}
