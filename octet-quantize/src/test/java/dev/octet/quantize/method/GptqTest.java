package dev.octet.quantize.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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

class GptqTest {
  private final Kernels kernels = Providers.create("vector", 2);
  private final Arena arena = Arena.ofShared();

  @AfterEach
  void close() {
    kernels.close();
    arena.close();
  }

  /** Rows whose channels depend on each other and differ in size, as activations do. */
  private static Tensor inputs(int rows, int k, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int hidden = Math.max(1, k / 4);
    double[][] mix = new double[hidden][k];
    for (double[] line : mix) {
      for (int j = 0; j < k; j++) {
        line[j] = random.nextGaussian() * (j % 9 == 0 ? 4 : 1);
      }
    }
    float[] x = new float[rows * k];
    for (int r = 0; r < rows; r++) {
      for (int h = 0; h < hidden; h++) {
        double a = random.nextGaussian();
        for (int j = 0; j < k; j++) {
          x[r * k + j] += (float) (a * mix[h][j]);
        }
      }
      for (int j = 0; j < k; j++) {
        x[r * k + j] += (float) (0.3 * random.nextGaussian());
      }
    }
    return Tensor.ofFloats(x, rows, k);
  }

  private static Tensor weight(int n, int k, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] w = new float[n * k];
    for (int i = 0; i < w.length; i++) {
      w[i] = (float) (random.nextGaussian() * 0.05);
    }
    return Tensor.ofFloats(w, n, k);
  }

  /** Squared error of the layer's output over all rows, in double precision. */
  private static double error(Tensor w, QuantizedWeight q, Tensor x) {
    int k = (int) w.columns();
    double sum = 0;
    float[] row = new float[k];
    for (long r = 0; r < w.rows(); r++) {
      q.dequantizeRow(r, row);
      for (long t = 0; t < x.rows(); t++) {
        double y = 0;
        for (int j = 0; j < k; j++) {
          y += (double) (row[j] - w.getFloat(r * k + j)) * x.getFloat(t * k + j);
        }
        sum += y * y;
      }
    }
    return sum;
  }

  private Tensor gram(Tensor x) {
    Gram gram = new Gram(kernels, (int) x.columns(), arena);
    gram.add(x);
    return gram.complete();
  }

  @ParameterizedTest
  @CsvSource({
    "w4a16, 32, NONE, 64", "w4a16, 32, STATIC, 64", "w4a16, 32, GROUP, 64",
    "w4a16-asym, 32, NONE, 150", "w4a16-asym, 64, STATIC, 200", "w4a16-asym, 32, GROUP, 150",
    "w4a16, 256, NONE, 300", "w4a16-asym, 256, STATIC, 300", "w8a16, 0, STATIC, 130"
  })
  void theOutputErrorIsFarBelowThatOfRoundingToNearest(
      String name, int group, ActOrder order, int k) {
    QuantScheme preset = QuantScheme.of(name);
    QuantScheme scheme = group == 0 ? preset : preset.withGroup(group);
    Tensor w = weight(24, k, 1);
    Tensor x = inputs(4 * k, k, 2);
    GptqOptions options = new GptqOptions(order, 0.01, Clipping.NONE);
    QuantizedWeight gptq = Gptq.quantize(w, gram(x), scheme, options, kernels, arena);
    QuantizedWeight nearest = RoundToNearest.quantize(w, scheme, arena);
    assertThat(error(w, gptq, x)).isLessThan(0.6 * error(w, nearest, x));
  }

  @ParameterizedTest
  @CsvSource({"NONE, 32, 128", "STATIC, 32, 128", "GROUP, 32, 128", "STATIC, 32, 150"})
  void rangesThatAreSearchedLeaveLessOfTheOutputError(ActOrder order, int group, int k) {
    QuantScheme scheme = QuantScheme.W4A16.withGroup(group);
    Tensor w = weight(24, k, 1);
    Tensor x = inputs(4 * k, k, 2);
    Tensor h = gram(x);
    GptqOptions whole = new GptqOptions(order, 0.01, Clipping.NONE);
    GptqOptions searched = new GptqOptions(order, 0.01, Clipping.SEARCH);
    assertThat(error(w, Gptq.quantize(w, h, scheme, searched, kernels, arena), x))
        .isLessThan(0.93 * error(w, Gptq.quantize(w, h, scheme, whole, kernels, arena), x));
  }

  @Test
  void inputsThatNeverOccurAndInputsThatAreCopiesOfEachOtherDoNoHarm() {
    Tensor w = weight(8, 64, 1);
    Tensor x = inputs(200, 64, 2);
    for (int t = 0; t < 200; t++) {
      x.setFloat(t * 64L + 7, 0);
      x.setFloat(t * 64L + 8, x.getFloat(t * 64L + 9));
    }
    QuantScheme scheme = QuantScheme.W4A16.withGroup(32);
    for (ActOrder order : ActOrder.values()) {
      QuantizedWeight gptq =
          Gptq.quantize(
              w, gram(x), scheme, new GptqOptions(order, 1e-9, Clipping.NONE), kernels, arena);
      assertThat(error(w, gptq, x))
          .isLessThan(error(w, RoundToNearest.quantize(w, scheme, arena), x));
    }
  }

  @Test
  void withIndependentInputsItRoundsToNearest() {
    Tensor w = weight(5, 32, 1);
    float[] identity = new float[32 * 32];
    for (int i = 0; i < 32; i++) {
      identity[i * 32 + i] = 1;
    }
    QuantScheme scheme = QuantScheme.W4A16_ASYM.withGroup(16);
    QuantizedWeight gptq =
        Gptq.quantize(
            w,
            Tensor.ofFloats(identity, 32, 32),
            scheme,
            new GptqOptions(ActOrder.STATIC, 0.01, Clipping.NONE),
            kernels,
            arena);
    QuantizedWeight nearest = RoundToNearest.quantize(w, scheme, arena);
    float[] a = new float[32];
    float[] b = new float[32];
    for (int r = 0; r < 5; r++) {
      gptq.dequantizeRow(r, a);
      nearest.dequantizeRow(r, b);
      assertThat(a).isEqualTo(b);
    }
  }

  @Test
  void inputsThatAreNoNumbersAreNamed() {
    Tensor x = inputs(20, 16, 2);
    x.setFloat(3, Float.NaN);
    Tensor h = gram(x);
    assertThatThrownBy(
            () ->
                Gptq.quantize(
                    weight(4, 16, 1),
                    h,
                    QuantScheme.W4A16.withGroup(16),
                    GptqOptions.DEFAULT,
                    kernels,
                    arena))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no finite numbers");
  }
}
