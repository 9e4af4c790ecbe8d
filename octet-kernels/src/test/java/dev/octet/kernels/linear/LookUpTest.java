package dev.octet.kernels.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.GuardPages;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows looked up, few or many at once, are those that the table itself decodes. */
class LookUpTest {
  /** Rows and columns, within a step, a vector and several of both. */
  private static final int[][] SHAPES = {{1, 1}, {17, 33}, {33, 130}, {16, 384}, {3, 2100}};

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void rowsAreThoseOfTheTable(String provider) {
    assumeTrue(GuardPages.supported());
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (int[] shape : SHAPES) {
        Random random = new Random(shape[1]);
        int[] rows = random.ints(1 + random.nextInt(60), 0, shape[0]).toArray();
        Weights.all(shape[0], shape[1], random)
            .forEach(
                (name, weights) -> {
                  try (GuardPages guard = new GuardPages()) {
                    LinearWeights guarded = LinearBoundsTest.guarded(weights, guard);
                    check(kernels, name, guarded.weight(), rows, guard);
                    check(kernels, name, kernels.linear(weights).table(), rows, guard);
                  }
                });
      }
    }
  }

  private static void check(
      Kernels kernels, String name, RowTable table, int[] rows, GuardPages guard) {
    int columns = (int) table.columns();
    Tensor out = guard.zeros(DType.F32, rows.length, columns);
    kernels.lookUp(table, rows, out);
    float[] expected = new float[columns];
    for (int r = 0; r < rows.length; r++) {
      table.dequantizeRow(rows[r], expected);
      assertThat(out.row(r).toFloats())
          .as("%s, row %d of %s", name, rows[r], table.label())
          .isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void aResultInAJavaArrayIsWrittenToo(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      RowTable table =
          Objects.requireNonNull(Weights.all(9, 40, new Random(1)).get("w8a8 channel")).weight();
      float[] got = new float[2 * 40];
      Tensor out = Tensor.of(DType.F32, MemorySegment.ofArray(got), 2, 40);
      kernels.lookUp(table, new int[] {8, 3}, out);
      float[] expected = new float[40];
      table.dequantizeRow(8, expected);
      assertThat(got).startsWith(expected);
      table.dequantizeRow(3, expected);
      assertThat(got).endsWith(expected);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#all")
  void rowsThatAreNotThereAndResultsThatDoNotFitAreRefused(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      Weights.all(5, 64, new Random(3))
          .forEach(
              (name, weights) -> {
                RowTable table = weights.weight();
                Tensor out = Tensor.ofFloats(new float[128], 2, 64);
                for (int row : new int[] {-1, 5, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
                  assertThatThrownBy(() -> kernels.lookUp(table, new int[] {0, row}, out))
                      .as(name)
                      .isInstanceOf(IndexOutOfBoundsException.class);
                }
                assertThatThrownBy(() -> kernels.lookUp(table, new int[] {0}, out))
                    .as(name)
                    .isInstanceOf(IllegalArgumentException.class);
                Tensor narrow = out.reshape(4, 32);
                assertThatThrownBy(() -> kernels.lookUp(table, new int[] {0, 1, 2, 3}, narrow))
                    .as(name)
                    .isInstanceOf(IllegalArgumentException.class);
              });
    }
  }
}
