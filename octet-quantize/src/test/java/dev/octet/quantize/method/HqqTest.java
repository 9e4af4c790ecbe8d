package dev.octet.quantize.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.DType;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class HqqTest {
  private static final QuantScheme SCHEME = QuantScheme.W4A16_ASYM.withGroup(32);

  private static float[] heavyTailed(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      double g = random.nextGaussian();
      values[i] = (float) (0.02 * g * Math.abs(g) * Math.abs(g));
    }
    return values;
  }

  /** {@code Σ|w − w'|^0.7}. */
  private static double norm(float[] w, QuantizedWeight weight) {
    float[] row = new float[Math.toIntExact(weight.columns())];
    double sum = 0;
    for (int r = 0; r < weight.rows(); r++) {
      weight.dequantizeRow(r, row);
      for (int j = 0; j < row.length; j++) {
        sum += Math.pow(Math.abs((double) w[r * row.length + j] - row[j]), 0.7);
      }
    }
    return sum;
  }

  private static QuantizedWeight hqq(float[] w, int rows, QuantScheme scheme) {
    return Hqq.quantize(
        Tensor.ofFloats(w, rows, w.length / rows), scheme, HqqOptions.DEFAULT, Arena.ofAuto());
  }

  private static QuantizedWeight nearest(float[] w, int rows, QuantScheme scheme) {
    return RoundToNearest.quantize(
        Tensor.ofFloats(w, rows, w.length / rows), scheme, Arena.ofAuto());
  }

  @Test
  void heavyTailsLoseLessThanRoundedOverTheWholeRange() {
    float[] w = heavyTailed(64 * 256, 1);
    assertThat(norm(w, hqq(w, 64, SCHEME))).isLessThan(0.975 * norm(w, nearest(w, 64, SCHEME)));
  }

  @Property(tries = 60)
  void noMatrixEndsWorseThanRoundedToNearest(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 70) int columns) {
    float[] w = heavyTailed(3 * columns, seed);
    assertThat(norm(w, hqq(w, 3, SCHEME)))
        .isLessThanOrEqualTo(norm(w, nearest(w, 3, SCHEME)) * (1 + 1e-6));
  }

  @Test
  void sizesOfWeightsDoNotMatter() {
    float[] w = heavyTailed(8 * 64, 2);
    float[] larger = new float[w.length];
    for (int i = 0; i < w.length; i++) {
      larger[i] = w[i] * 1024;
    }
    double small = norm(w, hqq(w, 8, SCHEME));
    double large = norm(larger, hqq(larger, 8, SCHEME));
    assertThat(large / small).isBetween(0.999 * Math.pow(1024, 0.7), 1.001 * Math.pow(1024, 0.7));
  }

  @Test
  void storedTypesAndConstantGroupsAreTaken() {
    Tensor zeros = Tensor.allocate(Arena.ofAuto(), DType.BF16, 2, 64);
    QuantizedWeight q = Hqq.quantize(zeros, SCHEME, HqqOptions.DEFAULT, Arena.ofAuto());
    float[] row = new float[64];
    q.dequantizeRow(1, row);
    assertThat(row).containsOnly(0f);
    float[] ones = new float[64];
    Arrays.fill(ones, 0.5f);
    hqq(ones, 1, SCHEME).dequantizeRow(0, row);
    for (float v : row) {
      assertThat(v).isBetween(0.4999f, 0.5001f);
    }
  }

  @Test
  void whatHasNoZeroPointsOrNoNumbersIsRefused() {
    assertThatThrownBy(() -> hqq(new float[64], 1, QuantScheme.W4A16))
        .hasMessageContaining("w4a16-asym");
    assertThatThrownBy(() -> hqq(new float[64], 1, QuantScheme.FP8))
        .isInstanceOf(IllegalArgumentException.class);
    float[] bad = new float[64];
    bad[3] = Float.NaN;
    assertThatThrownBy(() -> hqq(bad, 1, SCHEME)).hasMessageContaining("NaN");
    assertThatThrownBy(() -> new HqqOptions(20, 1.5, 10, 1.01)).hasMessageContaining("norm");
  }
}
