package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A group gives what its layers give, bit for bit. */
class LinearGroupTest {
  private static final int K = 130;

  /** Odd numbers of panels, a layer smaller than a panel, and enough outputs for several tasks. */
  private static final int[] OUTPUTS = {48, 5, 600};

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#fast")
  void layersOfOneFormGiveWhatTheyGiveAlone(String provider) {
    List<Map<String, LinearWeights>> all = new ArrayList<>();
    for (int n : OUTPUTS) {
      all.add(Weights.all(n, K, new Random(n)));
    }
    try (Kernels kernels = TestKernels.create(provider, 3)) {
      for (String form : all.getFirst().keySet()) {
        List<Linear> layers =
            all.stream()
                .map(weights -> kernels.linear(Objects.requireNonNull(weights.get(form))))
                .toList();
        for (int rows : new int[] {1, 3, 17}) {
          requireSame(form, kernels.group(layers), rows);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void layersOfDifferentFormsAreGroupedToo(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      List<Linear> layers =
          Weights.all(40, K, new Random(1)).values().stream().map(kernels::linear).toList();
      requireSame("all forms", kernels.group(layers), 2);
    }
  }

  /** Scales and rotation of the input, shared or not. */
  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void layersBehindOneTransformGiveWhatTheyGiveAlone(String provider) {
    int k = 96;
    Tensor scale = Weights.gaussian(new Random(4), k);
    Tensor other = Weights.gaussian(new Random(5), k);
    try (Kernels kernels = TestKernels.create(provider, 3)) {
      for (int order : new int[] {0, 32}) {
        List<LinearWeights> plain = new ArrayList<>();
        for (int n : OUTPUTS) {
          plain.add(Objects.requireNonNull(Weights.all(n, k, new Random(n)).get("w8a8 channel")));
        }
        List<Linear> shared =
            plain.stream().map(w -> kernels.linear(behind(w, scale, order))).toList();
        LinearGroup group = kernels.group(shared);
        assertThat(group instanceof OneByOne).isEqualTo(!provider.startsWith("cpu"));
        requireSame("shared", group, 1);
        requireSame("shared", group, 17);
        List<Linear> mixed =
            List.of(shared.getFirst(), kernels.linear(behind(plain.get(1), other, order)));
        requireSame("mixed", kernels.group(mixed), 3);
      }
    }
  }

  private static LinearWeights behind(LinearWeights plain, Tensor scale, int order) {
    LinearWeights scaled =
        new LinearWeights(plain.weight(), plain.bias(), plain.activation(), scale);
    return order == 0 ? scaled : scaled.withInputHadamard(order);
  }

  private static void requireSame(String what, LinearGroup group, int rows) {
    long k = group.layers().getFirst().inFeatures();
    Tensor x = Weights.gaussian(new Random(rows), rows, k);
    Tensor[] outs =
        group.layers().stream()
            .map(l -> Tensor.allocate(Arena.ofAuto(), DType.F32, rows, l.outFeatures()))
            .toArray(Tensor[]::new);
    group.apply(x, outs);
    for (int i = 0; i < outs.length; i++) {
      Linear layer = group.layers().get(i);
      Tensor alone = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, layer.outFeatures());
      layer.apply(x, alone);
      assertThat(outs[i].toFloats()).as("%s, layer %d", what, i).isEqualTo(alone.toFloats());
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void outputsMayLieInJavaArrays(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      LinearWeights weights = Weights.all(20, K, new Random(2)).values().iterator().next();
      LinearGroup group = kernels.group(List.of(kernels.linear(weights), kernels.linear(weights)));
      Tensor x = Weights.gaussian(new Random(3), 2, K);
      Tensor onHeap = Tensor.of(DType.F32, MemorySegment.ofArray(new float[40]), 2, 20);
      Tensor outside = Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 20);
      group.apply(x, onHeap, outside);
      assertThat(onHeap.toFloats()).containsExactly(outside.toFloats());
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void whatDoesNotFitIsRefused(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 1)) {
      Linear one = kernels.linear(Weights.all(20, 30, new Random(2)).values().iterator().next());
      Linear other = kernels.linear(Weights.all(20, 31, new Random(2)).values().iterator().next());
      assertThatThrownBy(() -> kernels.group(List.of(one, other)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContainingAll("30", "31");
      assertThatThrownBy(() -> kernels.group(List.of())).hasMessageContaining("at least one");
      Tensor x = Tensor.allocate(Arena.ofAuto(), DType.F32, 1, 30);
      assertThatThrownBy(() -> kernels.group(List.of(one)).apply(x))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("0 outputs");
    }
  }
}
