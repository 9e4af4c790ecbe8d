package dev.octet.quantize.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CholeskyTest {
  private final Kernels kernels = Providers.create("vector", 2);
  private final Arena arena = Arena.ofShared();

  @AfterEach
  void close() {
    kernels.close();
    arena.close();
  }

  private static Tensor random(int rows, int columns, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(values, rows, columns);
  }

  private Tensor gram(Tensor x) {
    Gram gram = new Gram(kernels, Math.toIntExact(x.columns()), arena);
    long half = x.rows() / 2;
    gram.add(x.rowRange(0, half));
    gram.add(x.rowRange(half, x.rows()));
    return gram.complete();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 128, 300, 1100})
  void aGramMatrixHoldsTheProductsOfAllColumns(int n) {
    Tensor x = random(40, n, n);
    Tensor h = gram(x);
    for (int i = 0; i < n; i += Math.max(1, n / 13)) {
      for (int j = 0; j < n; j += Math.max(1, n / 17)) {
        double sum = 0;
        for (int r = 0; r < 40; r++) {
          sum += (double) x.getFloat((long) r * n + i) * x.getFloat((long) r * n + j);
        }
        assertThat((double) h.getFloat((long) i * n + j)).isCloseTo(sum, within(1e-4));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 128, 129, 333})
  void theFactorTimesItsTransposeTimesHIsTheIdentity(int n) {
    Tensor h = gram(random(4 * n + 8, n, 3));
    Tensor u = Cholesky.upperOfInverse(kernels, h, arena);
    for (int r = 0; r < n; r++) {
      for (int c = 0; c < r; c++) {
        assertThat(u.getFloat((long) r * n + c)).isZero();
      }
    }
    double worst = 0;
    double[][] inverse = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        for (int k = 0; k <= Math.min(i, j); k++) {
          inverse[i][j] += (double) u.getFloat((long) k * n + i) * u.getFloat((long) k * n + j);
        }
      }
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int k = 0; k < n; k++) {
          sum += inverse[i][k] * h.getFloat((long) k * n + j);
        }
        worst = Math.max(worst, Math.abs(sum - (i == j ? 1 : 0)));
      }
    }
    assertThat(worst).isLessThan(1e-3);
  }

  @Test
  void aMatrixThatIsNotPositiveDefiniteIsRefused() {
    Tensor h = gram(random(10, 64, 1)); // of rank 10
    for (int i = 0; i < 64; i++) {
      h.setFloat(i * 64L + i, h.getFloat(i * 64L + i) - 1e-3f);
    }
    assertThatThrownBy(() -> Cholesky.upperOfInverse(kernels, h, arena))
        .isInstanceOf(Cholesky.NotPositiveDefinite.class);
    Tensor nan = Tensor.allocate(arena, DType.F32, 2, 2);
    nan.setFloat(0, Float.NaN);
    assertThatThrownBy(() -> Cholesky.upperOfInverse(kernels, nan, arena))
        .isInstanceOf(Cholesky.NotPositiveDefinite.class);
  }
}
