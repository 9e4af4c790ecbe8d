package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Fuzz;
import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.Products;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Linear layers of random shapes and forms, against double precision. */
class LinearFuzzTest {
  /**
   * Outputs, all rows together, that a case may have: in C under sanitizers they take their time.
   */
  private static final int MOST_PRODUCTS = 2_000_000;

  private record Provider(String name, Kernels kernels) {}

  @Test
  void everyFormMatchesOnShapesNobodyThoughtOf() {
    List<Provider> providers =
        TestKernels.fast().stream()
            .map(name -> new Provider(name, TestKernels.create(name, 2)))
            .toList();
    List<Provider> halves =
        Bf16ProductsTest.able().stream()
            .map(name -> new Provider(name + " bf16", TestKernels.create(name, 2, Products.BF16)))
            .toList();
    List<Provider> fixed =
        Int16ProductsTest.able().stream() // the reference first
            .map(name -> new Provider(name + " int16", TestKernels.create(name, 2, Products.INT16)))
            .toList();
    try {
      Fuzz.run(
          LinearFuzzTest.class,
          40,
          (random, fuzz) -> check(random, fuzz, providers, halves, fixed));
    } finally {
      providers.forEach(p -> p.kernels().close());
      halves.forEach(p -> p.kernels().close());
      fixed.forEach(p -> p.kernels().close());
    }
  }

  private static void check(
      Random random,
      Fuzz fuzz,
      List<Provider> providers,
      List<Provider> halves,
      List<Provider> fixed) {
    int k = 1 + random.nextInt(inputs(random));
    int n =
        1
            + random.nextInt(
                Math.min(k > 2000 ? 40 : random.nextInt(8) == 0 ? 700 : 70, 100_000 / k));
    int rows = 1 + random.nextInt(Math.min(most(random), Math.max(1, MOST_PRODUCTS / n / k)));
    boolean guarded = random.nextBoolean();
    fuzz.count(rows <= 8 ? "up to 8 rows" : rows <= 48 ? "up to 48 rows" : "more rows");
    List<Map.Entry<String, LinearWeights>> all = List.copyOf(Weights.all(n, k, random).entrySet());
    Tensor plain = Weights.gaussian(random, rows, k);
    for (int i = 0; i < 8; i++) {
      Map.Entry<String, LinearWeights> one = all.get(random.nextInt(all.size()));
      fuzz.count(one.getKey());
      try (GuardPages guard = new GuardPages()) {
        LinearWeights weights =
            guarded ? LinearBoundsTest.guarded(one.getValue(), guard) : one.getValue();
        Tensor x = guarded ? guard.copy(plain) : plain;
        Tensor out = guarded ? guard.zeros(DType.F32, rows, n) : zeros(rows, n);
        String what =
            one.getKey()
                + " ["
                + n
                + ", "
                + k
                + "], "
                + rows
                + " rows"
                + (guarded ? ", guarded" : "");
        Exact exact = Exact.of(weights, x);
        for (Provider provider : providers) {
          fuzz.tries(provider.name() + ", " + what);
          Linear layer = provider.kernels().linear(weights);
          layer.apply(x, out);
          exact.check(provider.kernels(), provider.name() + ", " + what, out.toFloats());
          checkRow(what, layer, weights, random.nextInt(n));
        }
        for (Provider provider : halves) {
          fuzz.tries(provider.name() + ", " + what);
          provider.kernels().linear(weights).apply(x, out);
          for (float y : out.toFloats()) {
            assertThat(y).as(what).isFinite();
          }
        }
        if (Int16ProductsTest.rounds(weights)) {
          fuzz.count("int16");
          checkFixed(what, fuzz, fixed, weights, x, out, exact);
        }
      }
    }
  }

  /** Fixed point is defined by the reference; how far sums may be off, by what is summed. */
  private static void checkFixed(
      String what,
      Fuzz fuzz,
      List<Provider> fixed,
      LinearWeights weights,
      Tensor x,
      Tensor out,
      Exact exact) {
    float[] expected = null;
    for (Provider provider : fixed) {
      fuzz.tries(provider.name() + ", " + what);
      provider.kernels().linear(weights).apply(x, out);
      float[] got = out.toFloats();
      expected = expected == null ? got : expected;
      for (int i = 0; i < got.length; i++) {
        assertThat(Math.abs(got[i] - expected[i]) <= 1e-5 * exact.magnitude()[i] + 1e-30)
            .as("%s, %s, element %d: %s, not %s", provider.name(), what, i, got[i], expected[i])
            .isTrue();
      }
    }
  }

  /** Inputs of a layer are fewer than this. */
  private static int inputs(Random random) {
    return switch (random.nextInt(16)) {
      case 0 -> 9000; // more than a chunk of tiles
      case 1, 2 -> 2200;
      case 3, 4, 5, 6 -> 40;
      default -> 700;
    };
  }

  /** Rows: few are multiplied as weights are decoded, many from a stretch that was decoded. */
  private static int most(Random random) {
    return switch (random.nextInt(4)) {
      case 0 -> 200;
      case 1 -> 50;
      default -> 13;
    };
  }

  private static void checkRow(String what, Linear layer, LinearWeights weights, int row) {
    RowTable table = layer.table();
    float[] got = new float[(int) table.columns()];
    float[] expected = new float[got.length];
    table.dequantizeRow(row, got);
    weights.weight().dequantizeRow(row, expected);
    for (int j = 0; j < got.length; j++) {
      float most = 2 * Math.ulp(expected[j]);
      assertThat(Math.abs(got[j] - expected[j]) <= most || Arrays.equals(got, expected))
          .as("row %d of %s, input %d: %s, not %s", row, what, j, got[j], expected[j])
          .isTrue();
    }
  }

  private static Tensor zeros(int rows, int n) {
    return Tensor.allocate(Arena.ofAuto(), DType.F32, rows, n);
  }
}
