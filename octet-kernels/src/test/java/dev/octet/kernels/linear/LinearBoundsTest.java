package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No kernel reads or writes past what it is given: behind it lies a page that ends the process. */
class LinearBoundsTest {
  private static final int[][] SHAPES = {
    {1, 1, 1}, {1, 17, 33}, {2, 16, 64}, {3, 5, 63}, {5, 31, 130}, {13, 33, 70}, {26, 3, 257}
  };

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void nothingIsTouchedBehindWeightsInputAndOutput(String provider) {
    assumeTrue(GuardPages.supported());
    try (Kernels kernels = TestKernels.create(provider, 2);
        GuardPages guard = new GuardPages()) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[1]);
        Tensor x = guard.copy(Weights.gaussian(random, shape[0], shape[2]));
        Weights.all(shape[1], shape[2], random)
            .forEach(
                (name, weights) -> {
                  Tensor out = guard.zeros(DType.F32, shape[0], shape[1]);
                  kernels.linear(guarded(weights, guard)).apply(x, out);
                  Tensor expected = guard.zeros(DType.F32, shape[0], shape[1]);
                  kernels.linear(weights).apply(x, expected);
                  assertThat(out.toFloats()).as(name).isEqualTo(expected.toFloats());
                });
      }
    }
  }

  static LinearWeights guarded(LinearWeights weights, GuardPages guard) {
    QuantizedWeight weight =
        switch (weights.weight()) {
          case DenseWeight w -> new DenseWeight(guard.copy(w.values()));
          case Int8Weight w -> new Int8Weight(guard.copy(w.codes()), w.grid(), w.permutation());
          case Fp8Weight w -> new Fp8Weight(guard.copy(w.codes()), w.grid());
          case Fp4Weight w ->
              new Fp4Weight(guard.copy(w.packed()), w.columns(), w.scales(), w.group(), w.global());
          case Int4Weight w ->
              new Int4Weight(guard.copy(w.packed()), w.columns(), w.grid(), w.permutation());
        };
    Tensor bias = weights.bias() == null ? null : guard.copy(weights.bias());
    return new LinearWeights(weight, bias, weights.activation(), weights.inputScale());
  }
}
