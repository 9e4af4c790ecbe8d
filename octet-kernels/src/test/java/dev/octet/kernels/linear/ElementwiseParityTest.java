package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;
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

  @Test
  void rowsWhoseSquaresOverflowAreNormalizedAllTheSame() {
    float[] row = new float[70];
    Arrays.fill(row, 3e38f);
    row[3] = -1e20f;
    Tensor one = Weights.gaussian(new Random(1), 70);
    onBoth(Tensor.ofFloats(row, 1, 70), (k, x) -> k.rmsNorm(x, one, null, 1e-5f, x));
  }

  /** A NaN may carry any bits, for instance those of erased memory. */
  @ParameterizedTest
  @ValueSource(ints = {0x7FC00000, 0x7FC00001, 0xFFFFFFFF, 0x7F800001})
  void nanReachesTheWholeRowOfASoftmaxAndItsOwnPlaceElsewhere(int bits) {
    for (String provider : new String[] {"reference", "vector"}) {
      try (Kernels kernels = Providers.create(provider, 1)) {
        Tensor x = Weights.gaussian(new Random(2), 1, 37);
        Tensor up = Weights.gaussian(new Random(3), 1, 37);
        x.segment().set(ValueLayout.JAVA_INT_UNALIGNED, 4 * 20, bits);
        Tensor gated = Tensor.allocate(Arena.ofAuto(), DType.F32, 1, 37);
        kernels.swiGlu(x, up, gated);
        kernels.softmax(x);
        for (int i = 0; i < 37; i++) {
          assertThat(x.getFloat(i)).as("softmax %d", i).isNaN();
          assertThat(Float.isNaN(gated.getFloat(i))).as("swiglu %d", i).isEqualTo(i == 20);
        }
      }
    }
  }

  /** Dynamic NTK has a table of its own every step, and sequences of a batch have each theirs. */
  @Test
  void tablesMayChangeFromCallToCall() {
    RotaryTable plain = RotaryTables.standard(16, 1e4);
    RotaryTable longer = RotaryTables.dynamic(16, 1e4, 2, 32, 70);
    Random random = new Random(4);
    Tensor start = Weights.gaussian(random, 3, 2, 16);
    onBoth(
        start,
        (k, x) -> {
          k.rope(x, new int[] {5, 6, 7}, plain);
          k.rope(x, new int[] {70, 71, 69}, longer);
          k.rope(x, new int[] {72, 73, 74}, longer);
          k.rope(x, new int[] {2, 75, 9000}, longer);
          k.rope(x, new int[] {8, 9, 400}, plain);
          k.rope(x, new int[] {0, 9, 10}, plain);
        });
  }
}
