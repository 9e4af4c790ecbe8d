package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Products in 16-bit fixed point: what they round, and how little that is. */
class Int16ProductsTest {
  /** Rows, outputs, inputs. */
  private static final int[][] SHAPES = {
    {2, 17, 33},
    {3, 5, 128},
    {2, 1, 1},
    {6, 33, 384},
    {7, 33, 70},
    {13, 50, 520},
    {30, 40, 500},
    {17, 5, 4200}
  };

  static List<String> fast() {
    return TestKernels.fast().stream()
        .filter(name -> name.startsWith("cpu-a") && !name.equals("cpu-avx2"))
        .toList();
  }

  static List<String> able() {
    return Stream.concat(Stream.of("reference"), fast().stream()).toList();
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("fast")
  void everyFormMatchesTheDefinition(String provider) {
    try (Kernels reference = TestKernels.create("reference", 2, Products.INT16);
        Kernels fast = TestKernels.create(provider, 2, Products.INT16)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[0] + shape[2]);
        Tensor x = Weights.gaussian(random, shape[0], shape[2]);
        for (int j = 0; j < shape[2]; j++) {
          x.setFloat(j, j % 3 == 0 ? 1e30f * j : -1e-30f); // and groups far apart
          x.setFloat(shape[2] + j, Float.MIN_VALUE * j);
        }
        all(shape[1], shape[2], random)
            .forEach(
                (name, weights) -> {
                  float[] want = apply(reference, weights, x);
                  float[] got = apply(fast, weights, x);
                  double[] size = magnitudes(weights, x, false);
                  for (int i = 0; i < got.length; i++) {
                    assertThat((double) got[i])
                        .as("%s, x %s, element %d", name, x, i)
                        .isCloseTo(want[i], within(5e-6 * size[i] + 1e-35));
                  }
                });
      }
    }
  }

  @ParameterizedTest
  @MethodSource("able")
  void anInputIsOffByHalfAStepOfItsGroupAtMost(String provider) {
    try (Kernels exact = TestKernels.create("reference", 2);
        Kernels kernels = TestKernels.create(provider, 2, Products.INT16)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[1]);
        Tensor x = Weights.gaussian(random, shape[0], shape[2]);
        all(shape[1], shape[2], random)
            .forEach(
                (name, weights) -> {
                  float[] want = apply(exact, weights, x);
                  float[] got = apply(kernels, weights, x);
                  double[] size = magnitudes(weights, x, false);
                  double[] steps = magnitudes(weights, x, true);
                  for (int i = 0; i < got.length; i++) {
                    assertThat((double) got[i])
                        .as("%s, x %s, element %d", name, x, i)
                        .isCloseTo(want[i], within(steps[i] / 2 + 5e-6 * size[i]));
                  }
                });
      }
    }
  }

  @ParameterizedTest
  @MethodSource("able")
  void muchIsLostNowhereAndLessThanInBf16Everywhere(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2, Products.INT16);
        Kernels exact = TestKernels.create("reference", 2)) {
      for (float outlier : new float[] {1, 64, 1000}) {
        Random random = new Random(7);
        Tensor x = Weights.gaussian(random, 8, 1024);
        for (int r = 0; r < 8; r++) {
          x.setFloat(r * 1024L + 300, x.getFloat(r * 1024L + 300) * outlier);
        }
        Tensor w = Weights.gaussian(random, 64, 1024);
        for (QuantScheme scheme : List.of(QuantScheme.W4A16, QuantScheme.W8A16)) {
          LinearWeights weights =
              new LinearWeights(
                  RoundToNearest.quantize(w, scheme, Arena.ofAuto()), null, scheme.activation());
          float[] want = apply(exact, weights, x);
          double bf16 = distance(apply(exact, weights, rounded(x)), want);
          double int16 = distance(apply(kernels, weights, x), want);
          assertThat(int16).as("%s, %s×", scheme.name(), outlier).isLessThan(bf16 / 5);
          assertThat(int16).as("%s, %s×", scheme.name(), outlier).isLessThan(2e-4);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("able")
  void weightsThatAreNoIntegersMeetAnInputAsItIs(String provider) {
    try (Kernels f32 = TestKernels.create(provider, 1);
        Kernels int16 = TestKernels.create(provider, 1, Products.INT16)) {
      for (int rows : new int[] {1, 6}) {
        Random random = new Random(2);
        Tensor x = Weights.gaussian(random, rows, 130);
        Weights.all(20, 130, random)
            .forEach(
                (name, weights) -> {
                  if (!rounds(weights)) {
                    assertThat(apply(int16, weights, x))
                        .as(name)
                        .containsExactly(apply(f32, weights, x));
                  }
                });
      }
    }
  }

  @ParameterizedTest
  @MethodSource("able")
  void aRowThatIsNotFiniteGivesNothingFinite(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2, Products.INT16)) {
      for (float poison : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1f / 0}) {
        Random random = new Random(2);
        Tensor x = Weights.gaussian(random, 3, 256);
        x.setFloat(256 + 11, poison);
        all(9, 256, random)
            .forEach(
                (name, weights) -> {
                  float[] got = apply(kernels, weights, x);
                  for (int i = 0; i < got.length; i++) {
                    assertThat(Float.isFinite(got[i]))
                        .as("%s, element %d", name, i)
                        .isEqualTo(i / 9 != 1);
                  }
                });
      }
    }
  }

  @ParameterizedTest
  @MethodSource("able")
  void zerosGiveTheBias(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2, Products.INT16)) {
      Tensor x = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 65);
      all(19, 65, new Random(1))
          .forEach(
              (name, weights) -> {
                float[] got = apply(kernels, weights, x);
                for (int i = 0; i < got.length; i++) {
                  float bias = weights.bias() == null ? 0 : weights.bias().getFloat(i % 19);
                  assertThat(got[i]).as(name).isEqualTo(bias);
                }
              });
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("fast")
  void aRowComputesTheSameWhateverRowsAreBesideIt(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2, Products.INT16)) {
      Random random = new Random(9);
      Tensor x = Weights.gaussian(random, 15, 300);
      all(50, 300, random)
          .forEach(
              (name, weights) -> {
                float[] together = apply(kernels, weights, x);
                for (int r = 0; r < 14; r++) {
                  Tensor two = x.rowRange(r, r + 2);
                  assertThat(apply(kernels, weights, two))
                      .as("%s, row %d", name, r)
                      .containsExactly(Arrays.copyOfRange(together, 50 * r, 50 * (r + 2)));
                }
              });
    }
  }

  @ParameterizedTest
  @MethodSource("able")
  void oneRowAloneIsNotRounded(String provider) {
    try (Kernels f32 = TestKernels.create(provider, 2);
        Kernels int16 = TestKernels.create(provider, 2, Products.INT16)) {
      Random random = new Random(4);
      Tensor x = Weights.gaussian(random, 1, 300);
      all(50, 300, random)
          .forEach(
              (name, weights) ->
                  assertThat(apply(int16, weights, x))
                      .as(name)
                      .containsExactly(apply(f32, weights, x)));
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("fast")
  void theNumberOfThreadsChangesNothing(String provider) {
    try (Kernels one = TestKernels.create(provider, 1, Products.INT16);
        Kernels three = TestKernels.create(provider, 3, Products.INT16)) {
      Random random = new Random(6);
      Tensor x = Weights.gaussian(random, 40, 300);
      all(150, 300, random)
          .forEach(
              (name, weights) ->
                  assertThat(apply(three, weights, x))
                      .as(name)
                      .containsExactly(apply(one, weights, x)));
    }
  }

  @Test
  void aProviderWithoutThemSaysSo() {
    assertThatThrownBy(() -> Providers.create("vector", 1, Products.INT16))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the vector provider has no products in int16; choose f32");
  }

  /** Layers whose unquantized input meets integers. */
  private static Map<String, LinearWeights> all(int n, int k, Random random) {
    Map<String, LinearWeights> all = Weights.all(n, k, random);
    all.values().removeIf(weights -> !rounds(weights));
    return all;
  }

  /** Whether an unquantized input meets integers. */
  static boolean rounds(LinearWeights weights) {
    QuantizedWeight weight = weights.weight();
    return weights.activation() instanceof None
        && (weight instanceof Int8Weight || weight instanceof Int4Weight);
  }

  /**
   * Σ|x|·(|w| + 2·|offset|) + |bias| of every output; or the same with the step that x is rounded
   * to in place of x, taken over the whole row, an upper bound whatever the groups are.
   */
  private static double[] magnitudes(LinearWeights weights, Tensor x, boolean steps) {
    int m = (int) x.dim(0);
    int k = (int) x.dim(1);
    int n = (int) weights.weight().rows();
    double[] result = new double[m * n];
    float[] w = new float[k];
    for (int o = 0; o < n; o++) {
      weights.weight().dequantizeRow(o, w);
      float[] offsets = Weights.offsets(weights.weight(), o);
      for (int r = 0; r < m; r++) {
        float[] input = x.row(r).toFloats();
        for (int j = 0; j < k && weights.inputScale() != null; j++) {
          input[j] *= weights.inputScale().getFloat(j);
        }
        double step = Activations.absMax(input) / 32639.0;
        double sum = weights.bias() == null ? 0 : Math.abs(weights.bias().getFloat(o));
        for (int j = 0; j < k; j++) {
          double size = steps ? step : Math.abs((double) input[j]);
          sum += size * (Math.abs(w[j]) + 2 * Math.abs(offsets[j]));
        }
        result[r * n + o] = sum;
      }
    }
    return result;
  }

  private static double distance(float[] a, float[] b) {
    double squares = 0;
    double size = 0;
    for (int i = 0; i < a.length; i++) {
      squares += Math.pow((double) a[i] - b[i], 2);
      size += Math.pow(b[i], 2);
    }
    return Math.sqrt(squares / size);
  }

  private static Tensor rounded(Tensor x) {
    return x.to(DType.BF16, Arena.ofAuto()).to(DType.F32, Arena.ofAuto());
  }

  private static float[] apply(Kernels kernels, LinearWeights weights, Tensor x) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, x.dim(0), weights.weight().rows());
    kernels.linear(weights).apply(x, out);
    return out.toFloats();
  }
}
