package dev.octet.quantize.observe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ObserverTest {
  private static final List<String> ALL =
      List.of("minmax", "percentile:99", "mse", "entropy", "running:0.1", "window:95");

  private static Range range(String spec, CodeGrid grid, float... values) {
    Observer observer = ObserverSpec.of(spec).create(grid);
    observer.add(values, 0, values.length);
    return observer.range();
  }

  private static float[] normal(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static double largest(float[] values) {
    double largest = 0;
    for (float v : values) {
      largest = Math.max(largest, Math.abs(v));
    }
    return largest;
  }

  /** A bin is at most that wide. */
  private static double bin(float[] values) {
    return largest(values) / (Histogram.HALF / 2.0);
  }

  @Test
  void extremesAreExactAndZeroIsAlwaysInside() {
    assertThat(range("minmax", CodeGrid.INT8, 3, -1.5f, 0.25f)).isEqualTo(new Range(-1.5f, 3));
    assertThat(range("minmax", CodeGrid.INT8, 3, 4)).isEqualTo(new Range(0, 4));
    assertThat(range("minmax", CodeGrid.INT8)).isEqualTo(new Range(0, 0));
  }

  @Test
  void runningExtremesMoveByTheirPartOfTheWayWithEveryBatch() {
    Observer running = ObserverSpec.of("running:0.25").create(CodeGrid.INT8);
    running.add(new float[] {-4, 8}, 0, 2);
    running.endBatch();
    assertThat(running.range()).isEqualTo(new Range(-4, 8));
    running.add(new float[] {-8, 4}, 0, 1);
    running.add(new float[] {-8, 4}, 1, 2);
    running.endBatch();
    assertThat(running.range()).isEqualTo(new Range(-5, 7));
    running.add(new float[] {7}, 0, 1);
    assertThat(running.range()).as("the batch at hand counts").isEqualTo(new Range(-3.75f, 7));
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 50, 90, 99, 99.9, 100})
  void aPercentileIsExactToWithinABin(double percent) {
    float[] values = normal(3001, 5);
    float[] sizes = new float[values.length];
    for (int i = 0; i < sizes.length; i++) {
      sizes[i] = Math.abs(values[i]);
    }
    Arrays.sort(sizes);
    float exact = sizes[(int) Math.ceil(percent / 100 * sizes.length) - 1];
    float got = range("percentile:" + percent, CodeGrid.INT8, values).largest();
    assertThat((double) got).isBetween((double) exact, exact + bin(values));
  }

  @ParameterizedTest
  @ValueSource(doubles = {50, 80, 95, 99.9, 100})
  void aWindowIsTheShortestThatHoldsEnoughToWithinTwoBins(double percent) {
    float[] values = normal(2000, 6);
    for (int i = 0; i < 400; i++) {
      values[i] = 5 + values[i] / 10; // a second hill: the window is not about zero
    }
    float[] sorted = values.clone();
    Arrays.sort(sorted);
    int wanted = (int) Math.ceil(percent / 100 * sorted.length);
    double shortest = Double.POSITIVE_INFINITY;
    for (int i = 0; i + wanted <= sorted.length; i++) {
      shortest = Math.min(shortest, (double) sorted[i + wanted - 1] - sorted[i]);
    }
    Histogram histogram = new Histogram();
    histogram.add(values, 0, values.length);
    Range got = new ClippingRule.Window(percent).range(histogram);
    // The range reaches to zero even where the window does not.
    long inside = 0;
    for (float v : values) {
      inside += v >= got.low() && v <= got.high() ? 1 : 0;
    }
    assertThat(inside).isGreaterThanOrEqualTo(wanted);
    assertThat((double) got.high() - got.low()).isLessThanOrEqualTo(shortest + 2 * bin(values));
  }

  @Test
  void aWindowLeavesOutWhatLiesFarOnOneSide() {
    float[] values = normal(10_000, 7);
    values[0] = -500;
    Range got = range("window:99.99", CodeGrid.INT8, values);
    assertThat(got.low()).isGreaterThan(-6);
    assertThat(range("window:100", CodeGrid.INT8, values).low()).isEqualTo(-500);
  }

  private static double squaredError(float[] values, double bound, CodeGrid grid) {
    double scale = bound / grid.largest();
    double sum = 0;
    for (float v : values) {
      double off = grid.nearest(v / scale) * scale - v;
      sum += off * off;
    }
    return sum;
  }

  @ParameterizedTest
  @CsvSource({"INT8,30", "INT8,3", "FP8,300", "FP8,1"})
  void leastSquaresComesNearTheBestOfAllBounds(CodeGrid grid, float outlier) {
    float[] values = normal(20_000, 8);
    values[17] = outlier;
    double best = Double.POSITIVE_INFINITY;
    for (int i = 1; i <= 512; i++) {
      best = Math.min(best, squaredError(values, largest(values) * i / 512, grid));
    }
    double got = squaredError(values, range("mse", grid, values).largest(), grid);
    assertThat(got).isLessThan(1.05 * best);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mse", "entropy"})
  void whatIsSpreadEvenlyIsNotClipped(String spec) {
    float[] values = new float[100_000];
    for (int i = 0; i < values.length; i++) {
      values[i] = (i + 0.5f) / values.length * 2 - 1;
    }
    assertThat((double) range(spec, CodeGrid.INT8, values).largest()).isCloseTo(1, within(0.02));
  }

  @Test
  void entropyClipsWhatIsFarOutAndKeepsTheHill() {
    float[] values = normal(100_000, 9);
    values[3] = 80;
    float got = range("entropy", CodeGrid.INT8, values).largest();
    assertThat(got).isBetween(2.5f, 12f);
  }

  /** Their divergence is 0, that of any narrower range is not. */
  @Test
  void entropyClipsNothingWhereEveryValueHasACodeOfItsOwn() {
    float[] values = new float[0];
    int[] counts = {0, 90, 60, 30, 20, 10, 5, 2, 1, 0, 0, 1};
    for (int bin = 0; bin < counts.length; bin++) {
      int from = values.length;
      values = Arrays.copyOf(values, from + counts[bin]);
      Arrays.fill(values, from, values.length, (bin + 0.5f) / 8);
    }
    assertThat(range("entropy", CodeGrid.INT8, values).largest()).isEqualTo(11.5f / 8);
  }

  @Provide
  Arbitrary<float[]> numbers() {
    return Arbitraries.floats()
        .between(-1e6f, 1e6f)
        .array(float[].class)
        .ofMinSize(1)
        .ofMaxSize(60);
  }

  @Property(tries = 200)
  void orderAndBatchesDoNotMatterToAHistogram(
      @ForAll("numbers") float[] values, @ForAll long seed) {
    float[] shuffled = values.clone();
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = shuffled.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      float t = shuffled[i];
      shuffled[i] = shuffled[j];
      shuffled[j] = t;
    }
    Histogram whole = new Histogram();
    whole.add(values, 0, values.length);
    Histogram pieces = new Histogram();
    for (int i = 0; i < shuffled.length; i++) {
      pieces.add(shuffled, i, i + 1);
    }
    assertThat(pieces.width()).isEqualTo(whole.width());
    long sum = 0;
    for (int j = -Histogram.HALF; j < Histogram.HALF; j++) {
      assertThat(pieces.in(j)).as("bin %d", j).isEqualTo(whole.in(j));
      sum += whole.in(j);
    }
    assertThat(sum).isEqualTo(values.length);
    if (whole.largest() > 0) {
      assertThat(whole.largest() / whole.width())
          .isBetween(Histogram.HALF / 2.0, (double) Histogram.HALF);
    }
  }

  @Property(tries = 100)
  void noRangeIsWiderThanWhatWasSeen(@ForAll("numbers") float[] values) {
    Range seen = range("minmax", CodeGrid.INT8, values);
    for (String spec : ALL) {
      for (CodeGrid grid : CodeGrid.values()) {
        Range got = range(spec, grid, values);
        assertThat(got.low()).as(spec).isBetween(seen.low(), 0f);
        assertThat(got.high()).as(spec).isBetween(0f, seen.high());
      }
    }
  }

  @Test
  void whatIsNoNumberIsRefusedByAll() {
    for (String spec : ALL) {
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
        assertThatThrownBy(() -> range(spec, CodeGrid.INT8, 1, bad, 2))
            .as("%s of %s", spec, bad)
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
  }

  @Test
  void zerosAndTheSmallestNumbersMakeAScale() {
    for (String spec : ALL) {
      assertThat(range(spec, CodeGrid.INT8, 0, -0f, 0)).as(spec).isEqualTo(new Range(0, 0));
      Range tiny = range(spec, CodeGrid.INT8, Float.MIN_VALUE, 0);
      assertThat(CodeGrid.INT8.scale(tiny)).as(spec).isPositive();
    }
  }

  @Test
  void namesAreReadBackAsTheyAreWritten() {
    for (String spec : ALL) {
      assertThat(ObserverSpec.of(spec)).hasToString(spec);
    }
    assertThat(ObserverSpec.of("Percentile")).hasToString("percentile:99.99");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "max",
        "percentile:",
        "percentile:x",
        "percentile:0",
        "percentile:101",
        "percentile:NaN",
        "mse:3",
        "minmax:1",
        "running:2",
        "window:-1"
      })
  void otherNamesAreRefused(String spec) {
    assertThatThrownBy(() -> ObserverSpec.of(spec))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("observer");
  }
}
