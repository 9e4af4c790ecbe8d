package dev.octet.quantize.method;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.quantize.linalg.Gram;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClippedRoundingTest {
  private final Kernels kernels = Providers.create("vector", 2);
  private final Arena arena = Arena.ofShared();

  @AfterEach
  void close() {
    kernels.close();
    arena.close();
  }

  private static Tensor gaussian(int rows, int k, double common, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] x = new float[rows * k];
    for (int r = 0; r < rows; r++) {
      double shared = common * random.nextGaussian();
      for (int j = 0; j < k; j++) {
        x[r * k + j] = (float) ((random.nextGaussian() + shared) * (j % 7 == 0 ? 3 : 1));
      }
    }
    return Tensor.ofFloats(x, rows, k);
  }

  private Tensor gram(Tensor x) {
    Gram gram = new Gram(kernels, (int) x.columns(), arena);
    gram.add(x);
    return gram.complete();
  }

  private static float[] changes(Tensor w, QuantizedWeight q, int r) {
    float[] row = new float[(int) w.columns()];
    q.dequantizeRow(r, row);
    for (int j = 0; j < row.length; j++) {
      row[j] -= w.getFloat((long) r * row.length + j);
    }
    return row;
  }

  /** Squared error of one output over all inputs, in double precision. */
  private static double error(Tensor w, QuantizedWeight q, Tensor x, int r) {
    float[] d = changes(w, q, r);
    double sum = 0;
    for (long t = 0; t < x.rows(); t++) {
      double y = 0;
      for (int j = 0; j < d.length; j++) {
        y += (double) d[j] * x.getFloat(t * d.length + j);
      }
      sum += y * y;
    }
    return sum;
  }

  @ParameterizedTest
  @CsvSource({
    "w4a16, 32, 128, 0.75",
    "w4a16, 64, 150, 0.75",
    "w4a16-asym, 32, 128, 0.75",
    "w4a16, 320, 320, 1",
    "w4a16-asym, 320, 320, 1"
  })
  void noOutputIsFartherOffThanRoundedToNearestAndAllTogetherAreMuchCloser(
      String name, int group, int k, double part) {
    QuantScheme scheme = QuantScheme.of(name).withGroup(group);
    Tensor w = gaussian(20, k, 0, 1);
    Tensor x = gaussian(3 * k, k, group == k ? 0 : 1, 2);
    QuantizedWeight clipped =
        ClippedRounding.quantize(w, gram(x), scheme, Clipping.SEARCH, kernels, arena);
    QuantizedWeight nearest = RoundToNearest.quantize(w, scheme, arena);
    double before = 0;
    double after = 0;
    for (int r = 0; r < 20; r++) {
      before += error(w, nearest, x, r);
      after += error(w, clipped, x, r);
      if (group < k) {
        assertThat(error(w, clipped, x, r)).isLessThan(1.0001 * error(w, nearest, x, r));
      }
    }
    assertThat(after).isLessThan(part * before);
  }

  @Test
  void withoutATextTheWeightItselfIsCloser() {
    QuantScheme scheme = QuantScheme.W4A16_ASYM.withGroup(64);
    Tensor w = gaussian(20, 128, 0, 1);
    QuantizedWeight clipped = ClippedRounding.quantize(w, scheme, Clipping.SEARCH, arena);
    QuantizedWeight nearest = RoundToNearest.quantize(w, scheme, arena);
    for (int r = 0; r < 20; r++) {
      assertThat(squares(changes(w, clipped, r)))
          .isLessThanOrEqualTo(squares(changes(w, nearest, r)));
    }
  }

  private static double squares(float[] values) {
    double sum = 0;
    for (float v : values) {
      sum += (double) v * v;
    }
    return sum;
  }
}
