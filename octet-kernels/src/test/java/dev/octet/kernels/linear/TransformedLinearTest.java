package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.ActivationQuant.Clipped;
import dev.octet.tensor.ActivationQuant.DynamicInt4;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.InputMatrix;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

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

  private static final int LEFT = 6;
  private static final int RIGHT = K / LEFT;

  /** Small whole numbers, so that every product and sum is exact in F32. */
  private static Tensor whole(long seed, int rows, int columns) {
    Random random = new Random(seed);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, columns);
    for (long i = 0; i < out.size(); i++) {
      out.setFloat(i, random.nextInt(9) - 4);
    }
    return out;
  }

  static Stream<Arguments> providersAndSides() {
    return providers()
        .flatMap(p -> Stream.of("left", "right", "both").map(side -> Arguments.of(p, side)));
  }

  private static Kronecker kronecker(String sides) {
    return new Kronecker(
        sides.equals("right") ? null : whole(11, LEFT, LEFT),
        sides.equals("left") ? null : whole(12, RIGHT, RIGHT));
  }

  /** Element (i, j) of leftᵀ·X·right, entry by entry. */
  private static double turned(Kronecker m, Tensor x, int row, Tensor scale, int i, int j) {
    double sum = 0;
    for (int a = 0; a < LEFT; a++) {
      for (int b = 0; b < RIGHT; b++) {
        double left = m.left() == null ? a == i ? 1 : 0 : m.left().getFloat(a * LEFT + i);
        double right = m.right() == null ? b == j ? 1 : 0 : m.right().getFloat(b * RIGHT + j);
        int at = a * RIGHT + b;
        sum += left * right * x.getFloat((long) row * K + at) * scale.getFloat(at);
      }
    }
    return sum;
  }

  /** With INT4 inputs clipped after the matrix, as FlatQuant has them, and without quantization. */
  @ParameterizedTest
  @MethodSource("providersAndSides")
  void inputsMeetBothSidesOfAKroneckerProduct(String provider, String sides) {
    Kronecker matrix = kronecker(sides);
    Tensor weight = whole(1, 5, K);
    Tensor scale = whole(3, 1, K).reshape(K);
    float ratio = 0.75f;
    for (int rows : new int[] {1, 3, 40}) {
      Tensor x = whole(2, rows, K);
      for (boolean clipped : new boolean[] {false, true}) {
        ActivationQuant input =
            clipped
                ? new Clipped(new DynamicInt4(DynamicInt4.CODES), ratio)
                : new ActivationQuant.None();
        LinearWeights layer =
            new LinearWeights(new DenseWeight(weight), null, input, scale).withInputMatrix(matrix);
        Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, 5);
        try (Kernels kernels = TestKernels.create(provider, 2)) {
          kernels.linear(layer).apply(x, out);
        }
        for (int r = 0; r < rows; r++) {
          double[] turned = new double[K];
          double most = 0;
          for (int at = 0; at < K; at++) {
            turned[at] = turned(matrix, x, r, scale, at / RIGHT, at % RIGHT);
            most = Math.max(most, Math.abs(turned[at]));
          }
          double step = (float) most / (7f / ratio);
          for (int o = 0; o < 5; o++) {
            double sum = 0;
            double size = 1e-6;
            for (int at = 0; at < K; at++) {
              double code = Math.rint((float) turned[at] / (float) step);
              double value = clipped ? Math.clamp(code, -8, 7) * step : turned[at];
              sum += value * weight.getFloat((long) o * K + at);
              size += Math.abs(value * weight.getFloat((long) o * K + at));
            }
            assertThat((double) out.getFloat(r * 5L + o))
                .as("%d rows, clipped %s", rows, clipped)
                .isCloseTo(sum, within(1e-6 * size));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void aProductOfLowRankReadsWhatTheWeightReadsUnquantized(String provider) {
    Tensor weight = whole(1, 5, K);
    LowRank product =
        new LowRank(
            new DenseWeight(whole(4, 3, K)),
            new DenseWeight(whole(5, 5, 3).to(DType.BF16, Arena.ofAuto())));
    LinearWeights layer =
        new LinearWeights(new DenseWeight(weight), null, new ActivationQuant.DynamicInt8())
            .withInputMatrix(kronecker("both"))
            .withLowRank(product);
    LinearWeights without = layer.withLowRank(null);
    float[] up = new float[3];
    for (int rows : new int[] {1, 30}) {
      Tensor x = whole(2, rows, K);
      Tensor ones = Tensor.allocate(Arena.ofAuto(), DType.F32, K);
      for (int j = 0; j < K; j++) {
        ones.setFloat(j, 1);
      }
      Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, 5);
      Tensor rest = Tensor.allocate(Arena.ofAuto(), DType.F32, rows, 5);
      try (Kernels kernels = TestKernels.create(provider, 2)) {
        kernels.linear(layer).apply(x, out);
        kernels.linear(without).apply(x, rest);
      }
      for (int r = 0; r < rows; r++) {
        for (int o = 0; o < 5; o++) {
          product.up().dequantizeRow(o, up);
          double sum = 0;
          for (int at = 0; at < K; at++) {
            double value = turned(kronecker("both"), x, r, ones, at / RIGHT, at % RIGHT);
            for (int i = 0; i < 3; i++) {
              sum += value * product.down().values().getFloat((long) i * K + at) * up[i];
            }
          }
          double want = sum + rest.getFloat(r * 5L + o);
          assertThat((double) out.getFloat(r * 5L + o))
              .isCloseTo(want, within(1e-6 * (Math.abs(sum) + Math.abs(want)) + 1e-3));
        }
      }
    }
  }

  /** Layers of a group share the matrix where it is the same, and keep their own products. */
  @ParameterizedTest
  @MethodSource("providers")
  void groupsGiveWhatTheirLayersGive(String provider) {
    LowRank product = new LowRank(new DenseWeight(whole(4, 3, K)), new DenseWeight(whole(5, 5, 3)));
    LinearWeights plain =
        new LinearWeights(new DenseWeight(random(1, 5)), null, new ActivationQuant.DynamicInt8());
    List<LinearWeights> all =
        List.of(
            plain.withInputMatrix(kronecker("both")),
            plain.withInputMatrix(kronecker("both")).withLowRank(product),
            plain.withInputMatrix(kronecker("left")),
            plain.withLowRank(product),
            plain);
    Tensor x = random(2, 4);
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (List<LinearWeights> some : List.of(all.subList(0, 2), all, all.subList(3, 5))) {
        List<Linear> layers = some.stream().map(kernels::linear).toList();
        Tensor[] outs =
            layers.stream()
                .map(_ -> Tensor.allocate(Arena.ofAuto(), DType.F32, 4, 5))
                .toArray(Tensor[]::new);
        kernels.group(layers).apply(x, outs);
        for (int i = 0; i < outs.length; i++) {
          Tensor alone = Tensor.allocate(Arena.ofAuto(), DType.F32, 4, 5);
          layers.get(i).apply(x, alone);
          assertThat(outs[i].toFloats()).as("layer %d", i).isEqualTo(alone.toFloats());
        }
      }
    }
  }

  @Test
  void clippedInputsSaturateBelowTheLargest() {
    float[] x = {-10, -9, -1, 0.4f, 4, 8};
    ActivationQuant inner = new DynamicInt4(DynamicInt4.CODES);
    int[] codes = new int[x.length];
    assertThat(Activations.int8(new Clipped(inner, 0.7f), x.clone(), codes))
        .isCloseTo(1f, within(1e-6f)); // 0.7 · 10 / 7
    assertThat(codes).containsExactly(-8, -8, -1, 0, 4, 7);
    float[] before = x.clone();
    Activations.roundTrip(new Clipped(new ActivationQuant.None(), 0.5f), before);
    assertThat(before).containsExactly(-5, -5, -1, 0.4f, 4, 4);
    float[] poisoned = {1, Float.NaN, 2};
    Activations.roundTrip(new Clipped(new ActivationQuant.MxGroup(4), 0.5f), poisoned);
    assertThat(poisoned).containsOnly(Float.NaN);
  }

  /** What a fold into the weight gives is what the input's transform gives. */
  @ParameterizedTest
  @ValueSource(strings = {"left", "right", "both", "hadamard"})
  void matricesFoldIntoWeights(String kind) {
    InputMatrix matrix = kind.equals("hadamard") ? new InputMatrix.Hadamard(16) : kronecker(kind);
    Tensor weight = whole(1, 5, K);
    Tensor x = whole(2, 3, K);
    Tensor folded = Tensor.allocate(Arena.ofAuto(), DType.F32, 5, K);
    for (int o = 0; o < 5; o++) {
      float[] row = weight.row(o).toFloats();
      matrix.fold(row);
      for (int j = 0; j < K; j++) {
        folded.setFloat((long) o * K + j, row[j]);
      }
    }
    LinearWeights layer =
        new LinearWeights(new DenseWeight(weight), null, new ActivationQuant.None())
            .withInputMatrix(matrix);
    Tensor want = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 5);
    Tensor got = Tensor.allocate(Arena.ofAuto(), DType.F32, 3, 5);
    try (Kernels kernels = TestKernels.create("reference", 1)) {
      kernels.linear(layer).apply(x, want);
      kernels.linear(layer.withInputMatrix(null).withWeight(new DenseWeight(folded))).apply(x, got);
    }
    for (int i = 0; i < 15; i++) {
      assertThat(got.getFloat(i)).isCloseTo(want.getFloat(i), within(1e-2f));
    }
  }

  @Test
  void kroneckerProductsThatDoNotFitAreRefused() {
    LinearWeights layer =
        new LinearWeights(new DenseWeight(random(1, 5)), null, new ActivationQuant.None());
    for (Kronecker matrix :
        List.of(
            new Kronecker(whole(1, 5, 5), null),
            new Kronecker(null, whole(1, 7, 7)),
            new Kronecker(whole(1, 6, 6), whole(1, 6, 6)))) {
      assertThatThrownBy(() -> layer.withInputMatrix(matrix))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("order 48");
    }
    assertThatThrownBy(() -> new Kronecker(whole(1, 5, 6), null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("left");
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
