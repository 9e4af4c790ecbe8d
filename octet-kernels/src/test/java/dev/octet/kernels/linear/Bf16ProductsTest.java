package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Products in BF16 round the input and nothing else, and only where they were asked for. */
class Bf16ProductsTest {
  /** Rows, outputs, inputs: on vectors, on tiles. */
  private static final int[][] SHAPES = {{7, 33, 70}, {30, 40, 500}, {17, 5, 4200}};

  static List<String> able() {
    return TestKernels.fast().stream()
        .filter(name -> name.startsWith("cpu-a") && !name.equals("cpu-avx2"))
        .toList();
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("able")
  void anInputThatIsBf16LosesNothing(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2, Products.BF16)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[0]);
        Tensor x = rounded(Weights.gaussian(random, shape[0], shape[2]));
        Weights.all(shape[1], shape[2], random)
            .forEach(
                (name, weights) -> {
                  if (weights.inputScale() == null) { // which rounding would follow
                    LinearParityTest.check(kernels, name, weights, x);
                  }
                });
      }
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("able")
  void anyOtherInputCountsAsTheNearestBf16(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2, Products.BF16)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[1]);
        Tensor x = Weights.gaussian(random, shape[0], shape[2]);
        Weights.all(shape[1], shape[2], random)
            .forEach(
                (name, weights) -> {
                  if (rounds(name, weights)) {
                    assertThat(apply(kernels, weights, x))
                        .as(name)
                        .isEqualTo(apply(kernels, weights, rounded(x)));
                  }
                });
      }
    }
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("able")
  void fewRowsAreNotRounded(String provider) {
    try (Kernels f32 = TestKernels.create(provider, 1);
        Kernels bf16 = TestKernels.create(provider, 1, Products.BF16)) {
      Random random = new Random(2);
      Tensor x = Weights.gaussian(random, 3, 130);
      Weights.all(20, 130, random)
          .forEach(
              (name, weights) ->
                  assertThat(apply(bf16, weights, x)).as(name).isEqualTo(apply(f32, weights, x)));
    }
  }

  @Test
  void providersWithoutThemSaySo() {
    for (String name : List.of("vector", "reference")) {
      assertThatThrownBy(() -> Providers.create(name, 1, Products.BF16))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("bf16")
          .hasMessageContaining("choose f32");
    }
  }

  @Test
  void aTierWithoutThemSaysSo() {
    assumeTrue(TestKernels.fast().contains("cpu-avx2"));
    assertThatThrownBy(() -> TestKernels.create("cpu-avx2", 1, Products.BF16))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("products in bf16 need AVX-512, the kernels here are for AVX2; choose f32");
  }

  /**
   * Whether a layer takes F32 as it is and BF16 holds its weights. Offsets meet the sum of inputs,
   * which stays exact.
   */
  private static boolean rounds(String name, LinearWeights weights) {
    return weights.activation() instanceof None
        && weights.inputScale() == null
        && !name.contains("gguf")
        && !name.contains("offsets")
        && !name.equals("f32")
        && !name.equals("f16");
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
