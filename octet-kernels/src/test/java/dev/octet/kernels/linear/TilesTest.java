package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.ActivationQuant.DynamicInt8;
import dev.octet.tensor.ActivationQuant.StaticInt8;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Kernels on tiles against those of AVX-512, on shapes that reach every kind of edge. */
class TilesTest {
  /** Rows, outputs, inputs; in a comment what is ragged. */
  private static final int[][] SHAPES = {
    {12, 16, 64}, // one row tile that is not full
    {16, 32, 128}, // nothing
    {17, 65, 100}, // rows, outputs and inputs; five panels
    {33, 130, 260}, // a single row tile behind a pair
    {64, 48, 1000}, // three panels, several stretches
    {290, 20, 200}, // more than one block of rows
    {20, 70, 5000}, // two chunks of inputs: sums wait in y
    {13, 17, 40_000}, // more inputs than an int32 sums
  };

  static List<String> tiled() {
    return TestKernels.fast().stream().filter(name -> name.startsWith("cpu-amx")).toList();
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("tiled")
  void integerLayersAgreeWithAvx512ToTheLastBit(String provider) {
    try (Kernels rows = TestKernels.create("cpu-avx512", 1);
        Kernels tiles = TestKernels.create(provider, 2)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[2] + shape[0]);
        Tensor x = Weights.gaussian(random, shape[0], shape[2]);
        Weights.all(shape[1], shape[2], random)
            .forEach(
                (name, weights) -> {
                  if (integer(weights)) {
                    assertThat(apply(tiles, weights, x))
                        .as("%s, %s", name, x)
                        .isEqualTo(apply(rows, weights, x));
                  }
                });
      }
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("tiled")
  void everyFormMatchesDoublePrecisionOnEveryShape(String provider) {
    try (Kernels tiles = TestKernels.create(provider, 2)) {
      for (int[] shape : Arrays.copyOf(SHAPES, SHAPES.length - 1)) {
        Random random = new Random(shape[2] - shape[0]);
        Tensor x = Weights.gaussian(random, shape[0], shape[2]);
        Weights.all(shape[1], shape[2], random)
            .forEach((name, weights) -> LinearParityTest.check(tiles, name, weights, x));
      }
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("tiled")
  void aRowThatIsNotFinitePoisonsItsOutputsAlone(String provider) {
    try (Kernels tiles = TestKernels.create(provider, 2)) {
      Random random = new Random(4);
      Tensor x = Weights.gaussian(random, 18, 200);
      x.setFloat(17 * 200 + 3, Float.NaN);
      Weights.all(20, 200, random)
          .forEach(
              (name, weights) -> {
                float[] y = apply(tiles, weights, x);
                for (int i = 0; i < y.length; i++) {
                  assertThat(Float.isNaN(y[i]))
                      .as("%s, element %d", name, i)
                      .isEqualTo(i / 20 == 17);
                }
              });
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("tiled")
  void theNumberOfThreadsChangesNothing(String provider) {
    try (Kernels one = TestKernels.create(provider, 1);
        Kernels three = TestKernels.create(provider, 3)) {
      Random random = new Random(6);
      Tensor x = Weights.gaussian(random, 40, 300);
      Weights.all(150, 300, random)
          .forEach(
              (name, weights) ->
                  assertThat(apply(three, weights, x)).as(name).isEqualTo(apply(one, weights, x)));
    }
  }

  private static boolean integer(LinearWeights weights) {
    return weights.activation() instanceof DynamicInt8
        || weights.activation() instanceof DynamicInt4
        || weights.activation() instanceof StaticInt8;
  }

  private static float[] apply(Kernels kernels, LinearWeights weights, Tensor x) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, x.dim(0), weights.weight().rows());
    kernels.linear(weights).apply(x, out);
    return out.toFloats();
  }
}
