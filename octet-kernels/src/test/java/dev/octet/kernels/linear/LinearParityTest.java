package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LinearParityTest {
  private static final int[][] SHAPES = {
    {1, 1, 1},
    {1, 3, 7},
    {2, 17, 33},
    {5, 5, 63},
    {4, 64, 64},
    {7, 65, 130},
    {1, 130, 257},
    {9, 31, 1030},
    {3, 200, 2100},
    {1, 19, 128},
    {3, 9, 256},
    {4, 33, 384},
    {2, 5, 2200},
    {14, 50, 520},
    {27, 17, 66},
    {6, 33, 40_000}
  };

  /** Few rows and many take different ways. */
  private static final int[] ROWS = {1, 2, 6};

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void everyFormMatchesDoublePrecisionOnEveryShape(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[2] * 31L + shape[1]);
        Tensor x = Weights.gaussian(random, shape[0], shape[2]);
        Weights.all(shape[1], shape[2], random)
            .forEach((name, weights) -> check(kernels, name, weights, x));
      }
    }
  }

  static void check(Kernels kernels, String name, LinearWeights weights, Tensor x) {
    Exact.of(weights, x).check(kernels, name, apply(kernels, weights, x));
  }

  static float[] apply(Kernels kernels, LinearWeights weights, Tensor x) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, x.dim(0), weights.weight().rows());
    kernels.linear(weights).apply(x, out);
    return out.toFloats();
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#fast")
  void integerLayersOfOneScaleARowAgreeToTheLastBit(String provider) {
    try (Kernels reference = TestKernels.create("reference", 1);
        Kernels fast = TestKernels.create(provider, 2)) {
      for (int rows : ROWS) {
        Random random = new Random(5);
        Tensor x = Weights.gaussian(random, rows, 9000);
        Weights.all(5, 9000, random)
            .forEach(
                (name, weights) -> {
                  if (Set.of("w8a8 channel", "w8a8 channel asym", "w8a8 static", "w4a8 channel")
                      .contains(name)) {
                    assertThat(apply(fast, weights, x))
                        .as("%s, %d rows", name, rows)
                        .isEqualTo(apply(reference, weights, x));
                  }
                });
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void rowsOfZerosGiveTheBias(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      Tensor x = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 65);
      Weights.all(19, 65, new Random(1))
          .forEach(
              (name, weights) -> {
                if (!(weights.activation().unclipped() instanceof ActivationQuant.StaticInt8)) {
                  float[] got = apply(kernels, weights, x);
                  for (int i = 0; i < got.length; i++) {
                    float bias = weights.bias() == null ? 0 : weights.bias().getFloat(i % 19);
                    assertThat(got[i]).as(name).isEqualTo(bias);
                  }
                }
              });
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void aRowThatIsNotFiniteNeverGivesFiniteNumbers(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (int rows : ROWS) {
        for (float poison : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1f / 0}) {
          for (int k : new int[] {70, 256}) {
            Random random = new Random(2);
            Tensor poisoned = Weights.gaussian(random, rows, k);
            poisoned.setFloat((rows - 1L) * k + 11, poison);
            Weights.all(9, k, random)
                .forEach((name, weights) -> checkPoison(kernels, name, weights, poisoned, poison));
          }
        }
      }
    }
  }

  private static void checkPoison(
      Kernels kernels, String name, LinearWeights weights, Tensor x, float poison) {
    float[] got = apply(kernels, weights, x);
    int last = got.length - 9;
    for (int i = 0; i < got.length; i++) {
      assertThat(Float.isFinite(got[i])).as("%s, element %d", name, i).isEqualTo(i < last);
      if (i >= last && Float.isNaN(poison)) {
        assertThat(got[i]).as("%s, element %d", name, i).isNaN();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void aWeightThatIsNoNumberPoisonsItsOutputAlone(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      Random random = new Random(8);
      for (int rows : ROWS) {
        for (DType type : new DType[] {DType.F16, DType.BF16, DType.F8_E4M3, DType.F8_E5M2}) {
          for (int at : new int[] {3, 129}) { // in a vector, and in the tail
            LinearWeights weights = Weights.withNan(type, 6, 130, 4, at, random);
            float[] got = apply(kernels, weights, Weights.gaussian(random, rows, 130));
            for (int i = 0; i < got.length; i++) {
              assertThat(Float.isNaN(got[i])).as("%s, element %d", type, i).isEqualTo(i % 6 == 4);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void weightsMayLieAtAnyAddress(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      Random random = new Random(9);
      for (int rows : ROWS) {
        Tensor x = Weights.gaussian(random, rows, 256);
        Weights.all(7, 256, random)
            .forEach(
                (name, weights) ->
                    assertThat(apply(kernels, Weights.misaligned(weights), x))
                        .as(name)
                        .isEqualTo(apply(kernels, weights, x)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#fast")
  void extremeValuesSurvive(String provider) {
    try (Kernels reference = TestKernels.create("reference", 1);
        Kernels fast = TestKernels.create(provider, 2)) {
      Random random = new Random(3);
      Tensor x = Weights.gaussian(random, 2, 96);
      for (int j = 0; j < 96; j++) {
        x.setFloat(j, j % 2 == 0 ? 1e30f : -1e-30f);
        x.setFloat(96 + j, Float.MIN_VALUE * j);
      }
      Weights.all(16, 96, random)
          .forEach(
              (name, weights) -> {
                float[] a = apply(reference, weights, x);
                float[] b = apply(fast, weights, x);
                double largest = 0;
                for (float v : a) {
                  largest = Math.max(largest, Math.abs(v));
                }
                for (int i = 0; i < a.length; i++) {
                  double size = i < 16 ? largest : 1e-30;
                  assertThat((double) b[i]).as(name).isCloseTo(a[i], within(1e-5 * size + 1e-35));
                }
              });
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void wrongShapesAreRefused(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 1)) {
      LinearWeights weights = Weights.all(4, 8, new Random(4)).values().iterator().next();
      Tensor x = Weights.gaussian(new Random(1), 2, 9);
      Tensor out = Weights.gaussian(new Random(1), 2, 4);
      assertThatThrownBy(() -> kernels.linear(weights).apply(x, out))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("rows of 8");
    }
  }
}
