package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TransformedLinearTest {
  private static final int K = 48;

  static Stream<String> providers() {
    return TestKernels.all().stream();
  }

  private static Tensor random(long seed, int n) {
    Random random = new Random(seed);
    float[] values = new float[n * K];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(values, n, K);
  }

  /** Against the sum over the matrix's entries, stretch by stretch; its scale comes first. */
  @ParameterizedTest
  @MethodSource("providers")
  void inputsMeetTheMatrixAfterTheirScale(String provider) {
    Tensor weight = random(1, 5);
    Tensor x = random(2, 3);
    Tensor scale = random(3, 1).reshape(K);
    LinearWeights layer =
        new LinearWeights(new DenseWeight(weight), null, new ActivationQuant.None(), scale)
            .withInputHadamard(16);
    try (Kernels kernels = TestKernels.create(provider, 2);
        Arena arena = Arena.ofShared()) {
      Tensor out = Tensor.allocate(arena, DType.F32, 3, 5);
      kernels.linear(layer, arena).apply(x, out);
      for (int r = 0; r < 3; r++) {
        for (int o = 0; o < 5; o++) {
          double sum = 0;
          for (int j = 0; j < K; j++) {
            double turned = 0;
            for (int i = j / 16 * 16; i < j / 16 * 16 + 16; i++) {
              int sign = Integer.bitCount(i % 16 & j % 16) % 2 == 0 ? 1 : -1;
              turned += sign * x.getFloat((long) r * K + i) * scale.getFloat(i) / 4.0;
            }
            sum += turned * weight.getFloat((long) o * K + j);
          }
          assertThat((double) out.getFloat(r * 5L + o)).isCloseTo(sum, within(1e-4));
        }
      }
    }
  }

  @Test
  void ordersThatAreNoPowersOfTwoOrDoNotDivideAreRefused() {
    LinearWeights layer =
        new LinearWeights(new DenseWeight(random(1, 5)), null, new ActivationQuant.None());
    for (int order : new int[] {-16, 3, 12, 32, 64}) {
      assertThatThrownBy(() -> layer.withInputHadamard(order))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(String.valueOf(order));
    }
  }
}
