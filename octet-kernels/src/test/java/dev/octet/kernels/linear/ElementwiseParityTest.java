package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ElementwiseParityTest {
  /** Runs an operation with every provider and compares with the reference. */
  private static void onAll(Tensor x, BiConsumer<Kernels, Tensor> operation) {
    float[] expected = result("reference", 1, x, operation);
    for (String provider : TestKernels.fast()) {
      float[] actual = result(provider, 2, x, operation);
      for (int i = 0; i < expected.length; i++) {
        double tolerance = 1e-6 * (Math.abs(expected[i]) + 1);
        if (!(Math.abs((double) actual[i] - expected[i]) <= tolerance)) {
          assertThat((double) actual[i])
              .as("%s, element %d of %s", provider, i, x)
              .isCloseTo(expected[i], within(tolerance));
        }
      }
    }
  }

  private static float[] result(
      String provider, int threads, Tensor x, BiConsumer<Kernels, Tensor> operation) {
    try (Kernels kernels = TestKernels.create(provider, threads)) {
      Tensor copy = Tensor.ofFloats(x.toFloats(), x.shape());
      operation.accept(kernels, copy);
      return copy.toFloats();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 8, 16, 17, 64, 130, 300, 1000})
  void normsAgree(int n) {
    Random random = new Random(n);
    Tensor weight = Weights.gaussian(random, n);
    Tensor bias = Weights.gaussian(random, n);
    onAll(Weights.gaussian(random, 5, n), (k, x) -> k.rmsNorm(x, weight, null, 1e-5f, x));
    onAll(Weights.gaussian(random, 3, n), (k, x) -> k.rmsNorm(x, weight, bias, 1e-6f, x));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 17, 64, 130, 40_000})
  void swiGluAddAndSoftmaxAgree(int n) {
    Random random = new Random(n);
    Tensor other = Weights.gaussian(random, 2, n);
    onAll(Weights.gaussian(random, 2, n), (k, x) -> k.swiGlu(x, other, x));
    onAll(Weights.gaussian(random, 2, n), (k, x) -> k.add(x, other));
    onAll(Weights.gaussian(random, 2, n), Kernels::softmax);
  }

  /** Enough rows that several threads take part. */
  @Test
  void manyRowsAgree() {
    Random random = new Random(6);
    Tensor weight = Weights.gaussian(random, 257);
    Tensor other = Weights.gaussian(random, 130, 257);
    RotaryTable table = RotaryTables.standard(24, 1e4);
    int[] positions = new int[130];
    Arrays.setAll(positions, i -> i < 70 ? i : 3 * i);
    onAll(Weights.gaussian(random, 130, 257), (k, x) -> k.rmsNorm(x, weight, null, 1e-5f, x));
    onAll(Weights.gaussian(random, 130, 257), (k, x) -> k.swiGlu(other, x, x));
    onAll(Weights.gaussian(random, 130, 257), (k, x) -> k.add(x, other));
    onAll(Weights.gaussian(random, 130, 257), Kernels::softmax);
    onAll(Weights.gaussian(random, 130, 8, 33), (k, x) -> k.rope(x, positions, table));
  }

  /** The same bits with any number of threads, or the same seed would not give the same text. */
  @Test
  void theNumberOfThreadsChangesNoBit() {
    Random random = new Random(7);
    Tensor x = Weights.gaussian(random, 90, 300);
    Tensor weight = Weights.gaussian(random, 300);
    Tensor other = Weights.gaussian(random, 90, 300);
    List<BiConsumer<Kernels, Tensor>> operations =
        List.of(
            (k, y) -> k.rmsNorm(y, weight, null, 1e-5f, y),
            (k, y) -> k.swiGlu(y, other, y),
            Kernels::softmax);
    for (String provider : TestKernels.all()) {
      for (BiConsumer<Kernels, Tensor> operation : operations) {
        float[] one = result(provider, 1, x, operation);
        assertThat(result(provider, 3, x, operation)).as(provider).isEqualTo(one);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 8, 16, 24, 64, 80, 128})
  void rotationsAgreeAndKeepTheRest(int dim) {
    Random random = new Random(dim);
    RotaryTable table = RotaryTables.yarn(dim, 1e4, 4, 32, 32, 1, null, null, null, true);
    int[] positions = {0, 1, 7, 100, 2000};
    onAll(Weights.gaussian(random, 5, 3, dim), (k, x) -> k.rope(x, positions, table));
    onAll(Weights.gaussian(random, 5, 3, dim + 6), (k, x) -> k.rope(x, positions, table));
  }

  static Stream<String> providers() {
    return TestKernels.all().stream();
  }

  @ParameterizedTest
  @MethodSource("providers")
  void softmaxOfNothingVisibleIsZero(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 1)) {
      float[] row = new float[20];
      Arrays.fill(row, Float.NEGATIVE_INFINITY);
      Tensor x = Tensor.ofFloats(row, 1, 20);
      kernels.softmax(x);
      assertThat(x.toFloats()).containsOnly(0f);
    }
  }

  @Test
  void softmaxTakesScoresOfAnySize() {
    float[] row = new float[37];
    Arrays.fill(row, -3e38f);
    row[3] = 2.9e38f;
    row[20] = 2.9e38f;
    row[21] = Float.NEGATIVE_INFINITY;
    onAll(Tensor.ofFloats(row, 1, 37), Kernels::softmax);
    row[36] = Float.POSITIVE_INFINITY;
    assertThatAllAreNan(Tensor.ofFloats(row, 1, 37), Kernels::softmax);
  }

  /** A row where nothing is visible but a NaN is not one where nothing is visible. */
  @Test
  void softmaxOfNothingButNanIsNan() {
    float[] row = new float[37];
    Arrays.fill(row, Float.NEGATIVE_INFINITY);
    row[33] = Float.NaN;
    assertThatAllAreNan(Tensor.ofFloats(row, 1, 37), Kernels::softmax);
  }

  @Test
  void aNormOfWhatIsNotFiniteIsNotANumberAnyMore() {
    for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      float[] row = new float[40];
      Arrays.fill(row, 1);
      row[5] = value;
      for (String provider : TestKernels.all()) {
        Tensor weight = Weights.gaussian(new Random(1), 40);
        float[] out =
            result(
                provider,
                1,
                Tensor.ofFloats(row, 1, 40),
                (k, x) -> k.rmsNorm(x, weight, null, 1e-5f, x));
        assertThat(out[5]).as(provider).isNaN();
      }
    }
  }

  private static void assertThatAllAreNan(Tensor x, BiConsumer<Kernels, Tensor> operation) {
    for (String provider : TestKernels.all()) {
      for (float value : result(provider, 1, x, operation)) {
        assertThat(value).as(provider).isNaN();
      }
    }
  }

  @Test
  void gatesOfAnySizeAgree() {
    float[] gates = {0f, -0f, 88, -88, 1e5f, -1e5f, 3e38f, -3e38f, 1e-40f, -1e-40f, 126, -126.5f};
    Tensor up = Weights.gaussian(new Random(1), 1, gates.length);
    Tensor ones = Tensor.ofFloats(new float[] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1, 12);
    onAll(Tensor.ofFloats(gates, 1, gates.length), (k, x) -> k.swiGlu(x, ones, x));
    onAll(
        Tensor.ofFloats(Arrays.copyOf(gates, 5), 1, 5),
        (k, x) -> {
          Tensor first = up.reshape(12).reshape(1, 12).columnRange(0, 5).contiguous(Arena.ofAuto());
          k.swiGlu(x, first, x);
        });
  }

  @Test
  void rowsWhoseSquaresOverflowAreNormalizedAllTheSame() {
    float[] row = new float[70];
    Arrays.fill(row, 3e38f);
    row[3] = -1e20f;
    Tensor one = Weights.gaussian(new Random(1), 70);
    onAll(Tensor.ofFloats(row, 1, 70), (k, x) -> k.rmsNorm(x, one, null, 1e-5f, x));
  }

  /** A NaN may carry any bits, for instance those of erased memory. */
  @ParameterizedTest
  @ValueSource(ints = {0x7FC00000, 0x7FC00001, 0xFFFFFFFF, 0x7F800001})
  void nanReachesTheWholeRowOfASoftmaxAndItsOwnPlaceElsewhere(int bits) {
    for (String provider : TestKernels.all()) {
      try (Kernels kernels = TestKernels.create(provider, 1)) {
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
    onAll(
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

  @Test
  void tensorsInJavaArraysAreComputedToo() {
    Random random = new Random(5);
    Tensor x = Weights.gaussian(random, 3, 20);
    Tensor weight = Weights.gaussian(random, 20);
    for (String provider : TestKernels.all()) {
      try (Kernels kernels = Providers.create("reference", 1);
          Kernels tested = TestKernels.create(provider, 1)) {
        Tensor expected = Tensor.ofFloats(x.toFloats(), 3, 20);
        kernels.rmsNorm(expected, weight, null, 1e-5f, expected);
        Tensor onHeap = Tensor.of(DType.F32, MemorySegment.ofArray(x.toFloats()), 3, 20);
        tested.rmsNorm(onHeap, weight, null, 1e-5f, onHeap);
        tested.add(onHeap, onHeap);
        for (int i = 0; i < 60; i++) {
          assertThat(onHeap.getFloat(i)).isCloseTo(2 * expected.getFloat(i), within(1e-5f));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void nothingIsTouchedBehindTheTensors(String provider) {
    assumeTrue(GuardPages.supported());
    RotaryTable table = RotaryTables.standard(6, 1e4);
    try (Kernels kernels = TestKernels.create(provider, 2);
        GuardPages guard = new GuardPages()) {
      for (int n : new int[] {1, 7, 15, 16, 17, 31, 33, 129}) {
        Random random = new Random(n);
        Tensor x = guard.copy(Weights.gaussian(random, 3, n));
        Tensor y = guard.copy(Weights.gaussian(random, 3, n));
        Tensor weight = guard.copy(Weights.gaussian(random, n));
        kernels.rmsNorm(x, weight, weight, 1e-5f, x);
        kernels.swiGlu(x, y, y);
        kernels.add(y, x);
        kernels.softmax(y);
        Tensor heads = guard.copy(Weights.gaussian(random, 3, 1, n + 6));
        kernels.rope(heads, new int[] {4, 5, 90}, table);
        assertThat(y.toFloats()).doesNotContain(Float.NaN);
      }
    }
  }
}
