package dev.octet.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class RoundToNearestTest {
  private static QuantScheme scheme(
      WeightType type, ScaleGranularity granularity, int group, boolean symmetric) {
    return new QuantScheme("test", type, granularity, group, symmetric, new ActivationQuant.None());
  }

  @Provide
  Arbitrary<QuantScheme> schemes() {
    return Combinators.combine(
            Arbitraries.of(WeightType.class),
            Arbitraries.of(ScaleGranularity.class),
            Arbitraries.integers().between(1, 40),
            Arbitraries.of(true, false))
        .as(
            (type, granularity, group, symmetric) -> {
              boolean grouped =
                  granularity == ScaleGranularity.GROUP || granularity == ScaleGranularity.BLOCK;
              boolean integer = type == WeightType.INT8 || type == WeightType.INT4;
              return scheme(type, granularity, grouped ? group : 0, symmetric || !integer);
            });
  }

  private static Tensor random(long seed, int n, int k) {
    Random random = new Random(seed);
    float[] values = new float[n * k];
    float size = (float) Math.exp(random.nextGaussian() * 4);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian() * size;
    }
    return Tensor.ofFloats(values, n, k);
  }

  private static ScaleGrid grid(QuantizedWeight weight) {
    return switch (weight) {
      case Int8Weight w -> w.grid();
      case Int4Weight w -> w.grid();
      case Fp8Weight w -> w.grid();
      case Fp4Weight _ -> throw new IllegalArgumentException("no grid");
      case DenseWeight w -> throw new AssertionError(w);
    };
  }

  private static float[][] dequantized(QuantizedWeight weight) {
    float[][] rows = new float[(int) weight.rows()][(int) weight.columns()];
    for (int r = 0; r < rows.length; r++) {
      weight.dequantizeRow(r, rows[r]);
    }
    return rows;
  }

  private static Tensor tensor(float[][] rows) {
    int k = rows[0].length;
    float[] all = new float[rows.length * k];
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(rows[r], 0, all, r * k, k);
    }
    return Tensor.ofFloats(all, rows.length, k);
  }

  /** Half the distance between the codes around {@code steps} scales. */
  private static double halfStep(WeightType type, double steps) {
    return switch (type) {
      case INT8, INT4 -> 0.5;
      case FP8_E4M3 -> Math.scalb(0.5, Math.max(Math.getExponent(steps), -6) - 3);
      case FP8_E5M2 -> Math.scalb(0.5, Math.max(Math.getExponent(steps), -14) - 2);
    };
  }

  @Property(tries = 150)
  void noWeightIsFurtherOffThanHalfAStep(
      @ForAll("schemes") QuantScheme scheme,
      @ForAll ScaleRule rule,
      @ForAll @IntRange(min = 1, max = 9) int n,
      @ForAll @IntRange(min = 1, max = 70) int k,
      @ForAll long seed) {
    Tensor w = random(seed, n, k);
    QuantizedWeight q = RoundToNearest.quantize(w, scheme, rule, Arena.ofAuto());
    float[][] got = dequantized(q);
    ScaleGrid grid = grid(q);
    for (int r = 0; r < n; r++) {
      for (int j = 0; j < k; j++) {
        double want = w.getFloat((long) r * k + j);
        double s = grid.scale(r, j);
        boolean integer = scheme.type() == WeightType.INT4 || scheme.type() == WeightType.INT8;
        double highest = (1 << scheme.type().bits() - 1) - 0.5 + 1e-4;
        if (integer && scheme.symmetric() && want / s > highest) {
          assertThat(rule).isIn(ScaleRule.CLIPPED, ScaleRule.LEAST_ERROR);
          continue; // what the clipped range gives up
        }
        double limit = Math.abs(s) * halfStep(scheme.type(), want / s) * (1 + 1e-4);
        assertThat(Math.abs(got[r][j] - want)).as("[%d, %d]", r, j).isLessThanOrEqualTo(limit);
      }
    }
  }

  @Property(tries = 150)
  void quantizingADequantizedWeightChangesNothing(
      @ForAll("schemes") QuantScheme scheme,
      @ForAll @IntRange(min = 1, max = 9) int n,
      @ForAll @IntRange(min = 1, max = 70) int k,
      @ForAll long seed) {
    boolean rowsShare =
        scheme.granularity() == ScaleGranularity.TENSOR
            || scheme.granularity() == ScaleGranularity.BLOCK;
    ScaleRule rule = rowsShare ? ScaleRule.TEXTBOOK : ScaleRule.best(scheme.type());
    Tensor w = random(seed, n, k);
    float[][] once = dequantized(RoundToNearest.quantize(w, scheme, rule, Arena.ofAuto()));
    float[][] twice =
        dequantized(RoundToNearest.quantize(tensor(once), scheme, rule, Arena.ofAuto()));
    for (int r = 0; r < n; r++) {
      for (int j = 0; j < k; j++) {
        float tolerance = Math.abs(once[r][j]) * 1e-5f;
        assertThat(twice[r][j]).isCloseTo(once[r][j], within(tolerance));
      }
    }
  }

  @Property(tries = 100)
  void codesAscendWithTheWeights(@ForAll("schemes") QuantScheme scheme, @ForAll long seed) {
    Tensor w = random(seed, 1, 64);
    float[] in = w.toFloats();
    QuantScheme one = scheme(scheme.type(), ScaleGranularity.CHANNEL, 0, scheme.symmetric());
    float[] out = dequantized(RoundToNearest.quantize(w, one, Arena.ofAuto()))[0];
    for (int a = 0; a < in.length; a++) {
      for (int b = 0; b < in.length; b++) {
        if (in[a] <= in[b]) {
          assertThat(out[a]).isLessThanOrEqualTo(out[b]);
        }
      }
    }
  }

  @Test
  void asymmetricCodesFollowTheFormula() {
    Tensor w = Tensor.ofFloats(new float[] {-1, 0, 0.5f, 2}, 1, 4);
    QuantScheme scheme = scheme(WeightType.INT4, ScaleGranularity.CHANNEL, 0, false);
    Int4Weight q = (Int4Weight) RoundToNearest.quantize(w, scheme, Arena.ofAuto());
    assertThat(q.grid().scale(0, 0)).isEqualTo(0.2f); // 3 / 15
    assertThat(q.grid().zeroPoint(0, 0)).isEqualTo(-3); // rint(1 / 0.2) - 8
    int[] codes = {q.code(0, 0), q.code(0, 1), q.code(0, 2), q.code(0, 3)};
    assertThat(codes).containsExactly(-8, -3, -1, 7); // 2.5 rounds to even
  }

  @Test
  void zeroIsExactEvenWhereAllWeightsLieOnOneSide() {
    Tensor w = Tensor.ofFloats(new float[] {5, 6, 7, 0, -3, -3, -3, -3}, 2, 4);
    for (WeightType type : new WeightType[] {WeightType.INT8, WeightType.INT4}) {
      QuantScheme scheme = scheme(type, ScaleGranularity.CHANNEL, 0, false);
      float[][] got = dequantized(RoundToNearest.quantize(w, scheme, Arena.ofAuto()));
      assertThat(got[0][3]).isZero();
      assertThat(got[0][2]).isCloseTo(7, within(1e-5f));
      assertThat(got[1]).containsOnly(got[1][0]);
      assertThat(got[1][0]).isCloseTo(-3, within(1e-5f));
    }
  }

  @Property(tries = 60)
  void rowsOfZerosAndOfTinyWeightsGiveFiniteScales(@ForAll("schemes") QuantScheme scheme) {
    float[] values = new float[3 * 20];
    values[20] = Float.MIN_VALUE;
    values[41] = -1e-30f;
    Tensor w = Tensor.ofFloats(values, 3, 20);
    QuantizedWeight q = RoundToNearest.quantize(w, scheme, Arena.ofAuto());
    for (float s : grid(q).scales().toFloats()) {
      assertThat(s).isFinite().isGreaterThanOrEqualTo(ScaleRule.EPSILON);
    }
    for (float[] row : dequantized(q)) {
      for (float value : row) {
        assertThat(value == 0).isTrue(); // FP8 keeps the sign
      }
    }
  }

  @Property(tries = 60)
  void whatIsNotFiniteIsRefusedByItsPosition(@ForAll("schemes") QuantScheme scheme) {
    float[] bad = {Float.NaN, Float.intBitsToFloat(0xFFC00000), 1f / 0f, -1f / 0f};
    for (float v : bad) {
      Tensor w = random(1, 4, 30);
      w.setFloat(2 * 30 + 17, v);
      assertThatThrownBy(() -> RoundToNearest.quantize(w, scheme, Arena.ofAuto()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("[2, 17]");
    }
  }

  @Test
  void largeWeightsQuantizeInParallelToTheSameCodes() {
    Tensor w = random(3, 600, 700);
    for (String name : QuantScheme.names()) {
      QuantScheme scheme = QuantScheme.of(name);
      try (Arena confined = Arena.ofConfined()) {
        QuantizedWeight one = RoundToNearest.quantize(w, scheme, confined);
        QuantizedWeight many = RoundToNearest.quantize(w, scheme, Arena.ofAuto());
        assertThat(dequantized(many)).isDeepEqualTo(dequantized(one));
      }
    }
  }

  @Test
  void sixteenBitWeightsQuantizeAsTheirF32ValuesDo() {
    Tensor w = random(4, 5, 33);
    for (DType type : new DType[] {DType.F16, DType.BF16}) {
      Tensor narrow = w.to(type, Arena.ofAuto());
      Tensor wide = narrow.to(DType.F32, Arena.ofAuto());
      for (String name : QuantScheme.names()) {
        QuantScheme scheme = QuantScheme.of(name);
        assertThat(dequantized(RoundToNearest.quantize(narrow, scheme, Arena.ofAuto())))
            .isDeepEqualTo(dequantized(RoundToNearest.quantize(wide, scheme, Arena.ofAuto())));
      }
    }
  }

  @Test
  void theExtremesOfF32AreHandled() {
    Tensor w = Tensor.ofFloats(new float[] {-3e38f, 3e38f, 1, 0}, 1, 4);
    for (boolean symmetric : new boolean[] {true, false}) {
      QuantScheme scheme = scheme(WeightType.INT8, ScaleGranularity.CHANNEL, 0, symmetric);
      float[] got = dequantized(RoundToNearest.quantize(w, scheme, Arena.ofAuto()))[0];
      assertThat(got[0]).isCloseTo(-3e38f, within(2e36f));
      assertThat(got[1]).isCloseTo(3e38f, within(2e36f));
    }
  }
}
