package dev.octet.quantize.method;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ScaleBalanceTest {
  private static final int ROWS = 384;
  private static final int COLUMNS = 96;
  private static final int GROUP = 32;
  private static final QuantScheme SCHEME = QuantScheme.W4A16.withGroup(GROUP);

  private final Kernels kernels = Providers.create("vector", 1);

  @AfterEach
  void close() {
    kernels.close();
  }

  @Test
  void roundingCostsLessThanWithAnyFactorsOfAwq() {
    try (Arena arena = Arena.ofShared()) {
      Tensor weight = weight(arena, 1);
      float[] inputs = inputs();
      double balanced = error(weight, inputs, ScaleBalance.of(List.of(weight), inputs, GROUP));
      ScaleSearch search =
          new ScaleSearch(kernels, List.of(weight), rows(inputs, arena), SCHEME, null);
      List<float[]> others = search.candidates(new Smoothing.Awq(), inputs, inputs);
      double least = others.stream().mapToDouble(s -> error(weight, inputs, s)).min().orElseThrow();
      assertThat(least).isLessThan(error(weight, inputs, ones()));
      assertThat(balanced).isLessThan(0.985 * least);
    }
  }

  @Test
  void allWeightsThatReadAnInputCount() {
    try (Arena arena = Arena.ofShared()) {
      Tensor both = weight(arena, 1);
      Tensor first = both.rowRange(0, ROWS / 2);
      Tensor second = both.rowRange(ROWS / 2, ROWS);
      float[] inputs = inputs();
      assertThat(ScaleBalance.of(List.of(first, second), inputs, GROUP))
          .usingComparatorWithPrecision(1e-4f)
          .containsExactly(ScaleBalance.of(List.of(both), inputs, GROUP));
    }
  }

  @Test
  void alikeChannelsHaveLikeFactors() {
    try (Arena arena = Arena.ofShared()) {
      float[] same = new float[COLUMNS];
      Arrays.fill(same, 2);
      for (float s : ScaleBalance.of(List.of(weight(arena, 0)), same, GROUP)) {
        assertThat(s).isBetween(0.7f, 1.4f);
      }
    }
  }

  @Test
  void channelsNeverSeenAndRowsOfZerosAreBorne() {
    try (Arena arena = Arena.ofShared()) {
      float[] inputs = inputs();
      inputs[3] = 0;
      Tensor zeros = Tensor.allocate(arena, DType.F32, ROWS, COLUMNS);
      for (Tensor weight : List.of(weight(arena, 1), zeros)) {
        for (float s : ScaleBalance.of(List.of(weight), inputs, GROUP)) {
          assertThat(s).isBetween(0.01f, 100f);
        }
      }
      assertThat(ScaleBalance.of(List.of(zeros), new float[COLUMNS], GROUP)).containsOnly(1f);
    }
  }

  /** Channels of different sizes. */
  private static float[] inputs() {
    Random random = new Random(7);
    float[] inputs = new float[COLUMNS];
    for (int j = 0; j < COLUMNS; j++) {
      inputs[j] = (float) Math.exp(0.6 * random.nextGaussian());
    }
    return inputs;
  }

  /** Columns whose sizes differ by {@code spread} in the logarithm. */
  private static Tensor weight(Arena arena, double spread) {
    Random random = new Random(5);
    double[] sizes = random.doubles(COLUMNS).map(u -> Math.exp(spread * (u - 0.5))).toArray();
    Tensor weight = Tensor.allocate(arena, DType.F32, ROWS, COLUMNS);
    for (long i = 0; i < (long) ROWS * COLUMNS; i++) {
      weight.setFloat(i, (float) (heavyTailed(random) * sizes[(int) (i % COLUMNS)]));
    }
    return weight;
  }

  /** Student's t with four degrees of freedom: some weights stand out, as they do in models. */
  private static double heavyTailed(Random random) {
    double squares = random.doubles(4).map(u -> random.nextGaussian()).map(v -> v * v).sum();
    return random.nextGaussian() / Math.sqrt(squares / 4);
  }

  private static Tensor rows(float[] inputs, Arena arena) {
    Tensor rows = Tensor.allocate(arena, DType.F32, 1, COLUMNS);
    for (int j = 0; j < COLUMNS; j++) {
      rows.setFloat(j, inputs[j]);
    }
    return rows;
  }

  private static float[] ones() {
    float[] ones = new float[COLUMNS];
    Arrays.fill(ones, 1);
    return ones;
  }

  /** Squared error of the output of independent inputs of these sizes. */
  private static double error(Tensor weight, float[] inputs, float[] s) {
    try (Arena arena = Arena.ofShared()) {
      Tensor scaled = ScaleSearch.scaled(weight, s, false, arena);
      QuantizedWeight rounded = RoundToNearest.quantize(scaled, SCHEME, arena);
      float[] row = new float[COLUMNS];
      double sum = 0;
      for (long r = 0; r < ROWS; r++) {
        rounded.dequantizeRow(r, row);
        for (int j = 0; j < COLUMNS; j++) {
          double d = (row[j] - scaled.getFloat(r * COLUMNS + j)) / s[j] * inputs[j];
          sum += d * d;
        }
      }
      return sum;
    }
  }
}
