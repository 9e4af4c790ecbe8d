package dev.octet.quantize.rotate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HadamardTransformTest {
  /** 52 needs the field of 25 elements, 100 that of 49, 344 that of 343. */
  @ParameterizedTest
  @ValueSource(ints = {1, 4, 12, 20, 28, 36, 44, 52, 60, 76, 100, 108, 140, 148, 312, 344})
  void rowsOfPaleysMatricesAreOrthogonal(int order) {
    byte[][] h = HadamardMatrix.of(order).orElseThrow();
    for (int i = 0; i < order; i++) {
      for (int j = 0; j <= i; j++) {
        int dot = 0;
        for (int c = 0; c < order; c++) {
          assertThat(Math.abs(h[i][c])).isEqualTo(1);
          dot += h[i][c] * h[j][c];
        }
        assertThat(dot).isEqualTo(i == j ? order : 0);
      }
    }
  }

  /** The widths of models people run, and those of their feed-forward layers. */
  @ParameterizedTest
  @ValueSource(
      ints = {
        48, 64, 80, 96, 160, 256, 768, 896, 1536, 2560, 3072, 3584, 5120, 6656, 8192, 4864, 8960,
        11008, 13824, 14336, 18944, 27648, 28672, 29568
      })
  void everyUsualWidthHasATransform(int width) {
    HadamardTransform t = HadamardTransform.of(width, 3);
    double[] x = new double[width];
    x[width / 3] = 2;
    t.apply(x, 0);
    for (double y : x) {
      assertThat(Math.abs(y)).isCloseTo(2 / Math.sqrt(width), within(1e-12));
    }
  }

  @Property(tries = 60)
  void lengthsAndAnglesStay(@ForAll("widths") int width, @ForAll long seed) {
    HadamardTransform t = HadamardTransform.of(width, seed);
    Random random = new Random(seed);
    double[] x = random.doubles(width + 2, -1, 1).toArray();
    double[] y = random.doubles(width + 2, -1, 1).toArray();
    double before = dot(x, y, 1, width);
    double first = x[0];
    double last = x[width + 1];
    t.apply(x, 1);
    t.apply(y, 1);
    assertThat(dot(x, y, 1, width)).isCloseTo(before, within(1e-10));
    assertThat(x[0]).isEqualTo(first);
    assertThat(x[width + 1]).isEqualTo(last);
  }

  @Provide
  Arbitrary<Integer> widths() {
    return Arbitraries.of(1, 2, 8, 12, 24, 40, 48, 60, 112, 128, 152, 312);
  }

  private static double dot(double[] x, double[] y, int from, int n) {
    double sum = 0;
    for (int i = from; i < from + n; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }

  @Test
  void anotherSeedIsAnotherTransformAndTheSameOneTheSame() {
    double[] a = {1, 2, 3, 4, 5, 6, 7, 8};
    double[] b = a.clone();
    double[] c = a.clone();
    HadamardTransform.of(8, 1).apply(a, 0);
    HadamardTransform.of(8, 1).apply(b, 0);
    HadamardTransform.of(8, 2).apply(c, 0);
    assertThat(a).isEqualTo(b).isNotEqualTo(c);
  }

  @Test
  void aWidthWithoutAHadamardMatrixIsRefused() {
    for (int width : new int[] {3, 6, 30, 50}) {
      assertThatThrownBy(() -> HadamardTransform.of(width, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("order " + width);
    }
  }
}
