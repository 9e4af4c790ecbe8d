package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.function.BiConsumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ElementwiseParityTest {
  private static void onBoth(Tensor x, BiConsumer<Kernels, Tensor> operation) {
    float[] expected;
    try (Kernels reference = Providers.create("reference", 1)) {
      Tensor copy = Tensor.ofFloats(x.toFloats(), x.shape());
      operation.accept(reference, copy);
      expected = copy.toFloats();
    }
    try (Kernels vector = Providers.create("vector", 2)) {
      operation.accept(vector, x);
    }
    for (int i = 0; i < expected.length; i++) {
      assertThat((double) x.getFloat(i))
          .as("element %d of %s", i, x)
          .isCloseTo(expected[i], within(1e-6 * (Math.abs(expected[i]) + 1)));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 8, 16, 17, 64, 130, 300, 1000})
  void normsAgree(int n) {
    Random random = new Random(n);
    Tensor weight = Weights.gaussian(random, n);
    Tensor bias = Weights.gaussian(random, n);
    onBoth(Weights.gaussian(random, 5, n), (k, x) -> k.rmsNorm(x, weight, null, 1e-5f, x));
    onBoth(Weights.gaussian(random, 3, n), (k, x) -> k.rmsNorm(x, weight, bias, 1e-6f, x));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 17, 64, 130, 40_000})
  void swiGluAddAndSoftmaxAgree(int n) {
    Random random = new Random(n);
    Tensor other = Weights.gaussian(random, 2, n);
    onBoth(Weights.gaussian(random, 2, n), (k, x) -> k.swiGlu(x, other, x));
    onBoth(Weights.gaussian(random, 2, n), (k, x) -> k.add(x, other));
    onBoth(Weights.gaussian(random, 2, n), Kernels::softmax);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 8, 16, 24, 64, 80, 128})
  void rotationsAgreeAndKeepTheRest(int dim) {
    Random random = new Random(dim);
    RotaryTable table = RotaryTables.yarn(dim, 1e4, 4, 32, 32, 1, null, null, null, true);
    int[] positions = {0, 1, 7, 100, 2000};
    onBoth(Weights.gaussian(random, 5, 3, dim), (k, x) -> k.rope(x, positions, table));
    onBoth(Weights.gaussian(random, 5, 3, dim + 6), (k, x) -> k.rope(x, positions, table));
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void softmaxOfNothingVisibleIsZero(String provider) {
    try (Kernels kernels = Providers.create(provider, 1)) {
      float[] row = new float[20];
      Arrays.fill(row, Float.NEGATIVE_INFINITY);
      Tensor x = Tensor.ofFloats(row, 1, 20);
      kernels.softmax(x);
      assertThat(x.toFloats()).containsOnly(0f);
    }
  }
}
