package dev.octet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final int DRAWS = 40_000;
  private static final SamplingParams ALL = SamplingParams.defaults().withSeed(42);

  /** Logits whose softmax is exactly this. */
  private static float[] logits(double... probabilities) {
    float[] out = new float[probabilities.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) Math.log(probabilities[i]);
    }
    return out;
  }

  /** How often each token is drawn; the penalty would see earlier draws, so it must be 1. */
  private static double[] frequencies(SamplingParams params, float[] logits) {
    Sampler sampler = new Sampler(params, new int[0]);
    double[] counts = new double[logits.length];
    for (int i = 0; i < DRAWS; i++) {
      counts[sampler.next(logits.clone())] += 1.0 / DRAWS;
    }
    return counts;
  }

  /** Five standard deviations of a frequency at p = 1/2. */
  private static void assertFrequencies(SamplingParams params, float[] logits, double... wanted) {
    assertThat(frequencies(params, logits))
        .containsExactly(wanted, within(5 * 0.5 / Math.sqrt(DRAWS)));
  }

  @Test
  void drawsFollowTheSoftmax() {
    assertFrequencies(ALL, logits(0.5, 0.3, 0.15, 0.05), 0.5, 0.3, 0.15, 0.05);
  }

  @Test
  void temperatureRaisesProbabilitiesToItsInverse() {
    double sum = 0.36 + 0.16;
    assertFrequencies(ALL.withTemperature(0.5), logits(0.6, 0.4), 0.36 / sum, 0.16 / sum);
    double root = Math.sqrt(0.8) + Math.sqrt(0.2);
    assertFrequencies(
        ALL.withTemperature(2), logits(0.8, 0.2), Math.sqrt(0.8) / root, Math.sqrt(0.2) / root);
  }

  @Test
  void topKKeepsTheKMostLikelyAndTheLowerIdOfEquals() {
    assertFrequencies(ALL.withTopK(2), logits(0.1, 0.6, 0.3), 0, 2 / 3.0, 1 / 3.0);
    assertFrequencies(ALL.withTopK(2), logits(0.25, 0.25, 0.25, 0.25), 0.5, 0.5, 0, 0);
    assertFrequencies(ALL.withTopK(9), logits(0.5, 0.5), 0.5, 0.5);
  }

  @Test
  void topPKeepsTheFewestThatReachItAndAlwaysOne() {
    float[] x = logits(0.5, 0.3, 0.15, 0.05);
    assertFrequencies(ALL.withTopP(0.7), x, 0.625, 0.375, 0, 0);
    assertFrequencies(ALL.withTopP(0.9), x, 0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0);
    assertFrequencies(ALL.withTopP(1e-9), x, 1, 0, 0, 0);
  }

  @Test
  void minPIsRelativeToTheMostLikely() {
    float[] x = logits(0.5, 0.3, 0.15, 0.05);
    assertFrequencies(ALL.withMinP(0.5), x, 0.625, 0.375, 0, 0);
    assertFrequencies(ALL.withMinP(1), x, 1, 0, 0, 0);
  }

  @Test
  void topPCountsWhatMinPAndTopKHaveLeft() {
    float[] x = logits(0.4, 0.3, 0.2, 0.1);
    // After top-k 2: 4/7 and 3/7, so 0.55 needs only the first; of all four it would need two.
    assertFrequencies(ALL.withTopK(2).withTopP(0.55), x, 1, 0, 0, 0);
    assertFrequencies(ALL.withTopP(0.55), x, 4 / 7.0, 3 / 7.0, 0, 0);
    assertFrequencies(ALL.withMinP(0.7).withTopP(0.55), x, 1, 0, 0, 0);
  }

  @Test
  void thePenaltyDividesPositiveAndMultipliesNegativeLogitsOfWhatWasSeen() {
    SamplingParams greedy = SamplingParams.greedy(9).withRepetitionPenalty(2);
    assertThat(new Sampler(greedy, new int[] {0}).next(new float[] {3, 1, 2})).isEqualTo(2);
    assertThat(new Sampler(greedy, new int[] {0}).next(new float[] {-1, -1.5f, -3})).isEqualTo(1);
    Sampler sampler = new Sampler(greedy, new int[0]);
    assertThat(sampler.next(new float[] {3, 2})).isEqualTo(0);
    assertThat(sampler.next(new float[] {3, 2})).as("0 has now been seen").isEqualTo(1);
    assertThat(sampler.next(new float[] {3, 2})).as("both have").isEqualTo(0);
  }

  @Test
  void greedyTakesTheLowestIdOfEquals() {
    Sampler sampler = new Sampler(SamplingParams.greedy(1), new int[0]);
    assertThat(sampler.next(new float[] {1, 7, 7, 2})).isEqualTo(1);
  }

  @Test
  void theSameSeedGivesTheSameTokensAndAnotherSeedOthers() {
    float[] x = logits(0.3, 0.3, 0.2, 0.2);
    assertThat(drawn(1, x)).isEqualTo(drawn(1, x)).isNotEqualTo(drawn(2, x));
    assertThat(Arrays.copyOf(drawn(1, x), 8))
        .as("the JDK's algorithm does not change")
        .containsExactly(3, 0, 0, 1, 2, 1, 3, 1);
  }

  private static int[] drawn(long seed, float[] logits) {
    Sampler sampler = new Sampler(ALL.withSeed(seed), new int[0]);
    int[] ids = new int[64];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = sampler.next(logits.clone());
    }
    return ids;
  }

  @Test
  void logitsThatAreNoNumbersAreAnError() {
    Sampler sampler = new Sampler(ALL, new int[0]);
    assertThatThrownBy(() -> sampler.next(new float[] {1, Float.NaN}))
        .isInstanceOf(ArithmeticException.class)
        .hasMessageContaining("token 1 is NaN");
    assertThatThrownBy(() -> sampler.next(new float[] {Float.POSITIVE_INFINITY, 0}))
        .isInstanceOf(ArithmeticException.class);
    float minus = Float.NEGATIVE_INFINITY;
    assertThatThrownBy(() -> sampler.next(new float[] {minus, minus}))
        .isInstanceOf(ArithmeticException.class);
    assertThat(sampler.next(new float[] {minus, 3, minus})).isEqualTo(1);
    assertThatThrownBy(() -> sampler.next(new float[0])).hasMessageContaining("no logits");
  }

  @Provide
  Arbitrary<float[]> logits() {
    return Arbitraries.floats().between(-50, 50).array(float[].class).ofMinSize(1).ofMaxSize(50);
  }

  @Property(tries = 300)
  void whatIsDrawnIsNeverOutsideWhatTheFiltersLeave(
      @ForAll @IntRange(min = 1, max = 20) int topK,
      @ForAll @DoubleRange(min = 0.01, max = 1) double topP,
      @ForAll @DoubleRange(min = 0, max = 1) double minP,
      @ForAll @DoubleRange(min = 0.05, max = 5) double temperature,
      @ForAll("logits") float[] x,
      @ForAll long seed) {
    SamplingParams params =
        ALL.withTopK(topK)
            .withTopP(topP)
            .withMinP(minP)
            .withTemperature(temperature)
            .withSeed(seed);
    int id = new Sampler(params, new int[0]).next(x.clone());
    float max = Float.NEGATIVE_INFINITY;
    int larger = 0;
    for (float v : x) {
      max = Math.max(max, v);
      larger += v > x[id] ? 1 : 0;
    }
    assertThat(larger).isLessThan(topK);
    assertThat(Math.exp((x[id] - max) / temperature)).isGreaterThanOrEqualTo(minP * (1 - 1e-6));
  }

  @Test
  void paramsOutsideTheirRangeAreRefusedByName() {
    assertThatThrownBy(() -> ALL.withTemperature(-1)).hasMessageContaining("temperature");
    assertThatThrownBy(() -> ALL.withTemperature(Double.NaN)).hasMessageContaining("temperature");
    assertThatThrownBy(() -> ALL.withTopK(-1)).hasMessageContaining("top-k");
    assertThatThrownBy(() -> ALL.withTopP(0)).hasMessageContaining("top-p");
    assertThatThrownBy(() -> ALL.withMinP(1.1)).hasMessageContaining("min-p");
    assertThatThrownBy(() -> ALL.withRepetitionPenalty(0)).hasMessageContaining("penalty");
    assertThatThrownBy(() -> ALL.withMaxTokens(0)).hasMessageContaining("max tokens");
    assertThatThrownBy(() -> ALL.withStop(List.of(""))).hasMessageContaining("stop");
  }
}
