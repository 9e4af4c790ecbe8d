package dev.octet.quantize.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.tensor.NotFiniteException;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class RowDistanceTest {
  @Test
  void twoDistributionsHaveTheDivergenceOfTheTextbook() {
    float[] half = {0, 0};
    float[] ninth = {(float) Math.log(9), 0};
    RowDistance d = RowDistance.of(half, ninth, 1);
    assertThat(d.divergence())
        .isCloseTo(0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1), within(1e-7));
    assertThat(d.baseNll()).isCloseTo(Math.log(2), within(1e-12));
    assertThat(d.nll()).isCloseTo(Math.log(10), within(1e-7));
  }

  @Test
  void whatIsAddedToAllLogitsChangesNothing() {
    RowDistance d = RowDistance.of(new float[] {1, 2, 3}, new float[] {101, 102, 103}, 0);
    assertThat(d.divergence()).isCloseTo(0, within(1e-6));
    assertThat(d.nll()).isCloseTo(d.baseNll(), within(1e-6));
    assertThat(d.agrees()).isTrue();
  }

  @Test
  void anotherLikeliestTokenIsSeen() {
    assertThat(RowDistance.of(new float[] {1, 2}, new float[] {2, 1}, 0).agrees()).isFalse();
  }

  @Test
  void nanIsRefused() {
    float[] sound = {1, 2, 3};
    for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      float[] damaged = {1, bad, 3};
      assertThatThrownBy(() -> RowDistance.of(sound, damaged, 0))
          .isInstanceOf(NotFiniteException.class);
      assertThatThrownBy(() -> RowDistance.of(damaged, sound, 0))
          .isInstanceOf(NotFiniteException.class);
    }
  }

  @Property(tries = 50)
  void divergenceIsWhatItsDefinitionSays(@ForAll long seed) {
    Random random = new Random(seed);
    float[] base = new float[7];
    float[] other = new float[7];
    for (int i = 0; i < base.length; i++) {
      base[i] = (float) (8 * random.nextGaussian());
      other[i] = (float) (8 * random.nextGaussian());
    }
    double[] p = softmax(base);
    double[] q = softmax(other);
    double wanted = 0;
    for (int i = 0; i < p.length; i++) {
      wanted += p[i] * Math.log(p[i] / q[i]);
    }
    assertThat(RowDistance.of(base, other, 3).divergence())
        .isCloseTo(Math.max(0, wanted), within(1e-9));
  }

  private static double[] softmax(float[] logits) {
    double[] out = new double[logits.length];
    double sum = 0;
    for (int i = 0; i < out.length; i++) {
      out[i] = Math.exp(logits[i]);
      sum += out[i];
    }
    for (int i = 0; i < out.length; i++) {
      out[i] /= sum;
    }
    return out;
  }

  @Test
  void rowsComparedByManyThreadsSumToWhatEachIs() {
    int rows = 100;
    int width = 33;
    Random random = new Random(5);
    float[] base = new float[rows * width];
    float[] other = new float[rows * width];
    int[] tokens = new int[rows];
    for (int i = 0; i < base.length; i++) {
      base[i] = (float) random.nextGaussian();
      other[i] = base[i] + (float) random.nextGaussian() / 10;
    }
    double divergence = 0;
    double most = 0;
    for (int r = 0; r < rows; r++) {
      tokens[r] = random.nextInt(width);
      float[] left = Arrays.copyOfRange(base, r * width, (r + 1) * width);
      float[] right = Arrays.copyOfRange(other, r * width, (r + 1) * width);
      double d = RowDistance.of(left, right, tokens[r]).divergence();
      divergence += d;
      most = Math.max(most, d);
    }
    Distances distances = new Distances();
    Tensor b = Tensor.ofFloats(base, rows, width);
    Tensor o = Tensor.ofFloats(other, rows, width);
    distances.add(b.rowRange(0, 60), o.rowRange(0, 60), Arrays.copyOf(tokens, 60));
    distances.add(b.rowRange(60, 100), o.rowRange(60, 100), Arrays.copyOfRange(tokens, 60, 100));
    DistanceSummary summary = distances.summary();
    assertThat(summary.tokens()).isEqualTo(rows);
    assertThat(summary.divergence()).isCloseTo(divergence / rows, within(1e-8));
    assertThat(summary.quantile(1)).isCloseTo(most, within(1e-6));
    assertThat(summary.quantile(0.5)).isLessThan(summary.quantile(0.99));
    assertThat(summary.nllError()).isPositive();
  }
}
