package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows read back from a layer are those of its weight, whatever layout it multiplies. */
class TableTest {
  private static final int[][] SHAPES = {{1, 1}, {17, 33}, {33, 130}, {16, 384}, {3, 33_000}};

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void rowsOfALayerAreThoseOfItsWeight(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (int[] shape : SHAPES) {
        Weights.all(shape[0], shape[1], new Random(shape[1]))
            .forEach((name, weights) -> check(kernels, name, weights));
      }
    }
  }

  private static void check(Kernels kernels, String name, LinearWeights weights) {
    RowTable table = kernels.linear(weights).table();
    assertThat(table.rows()).isEqualTo(weights.weight().rows());
    assertThat(table.columns()).isEqualTo(weights.weight().columns());
    float[] expected = new float[(int) table.columns()];
    float[] got = new float[expected.length];
    for (long row = 0; row < table.rows(); row++) {
      weights.weight().dequantizeRow(row, expected);
      table.dequantizeRow(row, got);
      if (weights.weight() instanceof Fp4Weight) { // two scales are rounded to one before
        for (int j = 0; j < got.length; j++) {
          float most = 2 * Math.ulp(expected[j]);
          if (!(Math.abs(got[j] - expected[j]) <= most)) {
            assertThat(got[j]).as(name).isCloseTo(expected[j], within(most));
          }
        }
      } else {
        assertThat(got).as("%s, row %d", name, row).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#fast")
  void aRowThatIsNotThereIsRefused(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 1)) {
      LinearWeights weights = Weights.all(5, 64, new Random(3)).values().iterator().next();
      RowTable table = kernels.linear(weights).table();
      for (long row : new long[] {-1, 5, 16, Long.MAX_VALUE}) {
        assertThatThrownBy(() -> table.dequantizeRow(row, new float[64]))
            .isInstanceOf(IndexOutOfBoundsException.class);
      }
      assertThatThrownBy(() -> table.dequantizeRow(0, new float[63]))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
  }
}
