package dev.octet.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.bench.LinearBench.Options;
import dev.octet.bench.LinearBench.Shape;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LinearBenchTest {
  @Test
  void theMachineComesFirstAndRowsSayWhatTheShapeMakesOfTheTime() {
    List<BenchResult> rows = new ArrayList<>();
    LinearBench.run(
        new Options(
            List.of("bf16", "w8a8"),
            List.of(new Shape(48, 80)),
            List.of(3),
            List.of("vector"),
            List.of(Products.F32),
            1,
            1),
        rows::add);
    List<BenchResult> machine = new ArrayList<>(rows);
    machine.removeIf(row -> !row.variant().equals("machine"));
    assertThat(rows.subList(0, machine.size())).isEqualTo(machine);
    assertThat(metric(machine.getFirst(), "gb_per_s")).isGreaterThan(0.1);
    assertThat(metric(machine.getLast(), "tops")).isGreaterThan(1e-4);
    rows.removeAll(machine);
    assertThat(rows).extracting(BenchResult::variant).containsExactly("bf16", "w8a8");
    for (BenchResult row : rows) {
      assertThat(row.input()).isEqualTo("48x80");
      assertThat(row.n()).isEqualTo(3);
      double seconds = metric(row, "ms") / 1e3;
      assertThat(seconds).isPositive();
      assertThat(metric(row, "tops") * 1e12 * seconds)
          .isCloseTo(2.0 * 3 * 48 * 80, Percentage.withPercentage(1e-6));
    }
    double bytes = metric(rows.getFirst(), "gb_per_s") * 1e6 * metric(rows.getFirst(), "ms");
    assertThat(bytes).isCloseTo(2.0 * 48 * 80, within(1e-3));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "64", "64x", "x64", "0x4", "-1x4", "4096x4096x2", "1e3x4", "99999999999x1"})
  void whatIsNoShapeIsRefused(String text) {
    assertThatThrownBy(() -> Shape.parse(text)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aShapeThatNoMemoryHoldsIsRefused() {
    assertThatThrownBy(() -> Shape.parse("999999999x999999999"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("weights");
  }

  @Test
  void aShapeIsOutputsByInputs() {
    assertThat(Shape.parse("4096x11008")).isEqualTo(new Shape(4096, 11008));
    assertThat(Shape.parse("4096x11008")).hasToString("4096x11008");
  }

  @Test
  void unknownVariantsAndEmptyRoundsAreRefusedBeforeAnythingRuns() {
    assertThatThrownBy(() -> options(List.of("w9"), List.of(1), 1)).hasMessageContaining("w9");
    assertThatThrownBy(() -> options(List.of("w8a8"), List.of(0), 1))
        .hasMessageContaining("at least 1");
    assertThatThrownBy(() -> options(List.of("w8a8"), List.of(1), 0))
        .hasMessageContaining("at least 1");
  }

  @Test
  void aRowSaysWhereInputsWereRounded() {
    try (Kernels usual = Providers.create("reference", 1);
        Kernels rounding = Providers.create("reference", 1, Products.INT16)) {
      assertThat(LinearBench.label(usual)).isEmpty();
      assertThat(LinearBench.label(rounding)).isEqualTo(" compute=int16");
    }
    Options rounded =
        new Options(
            List.of("bf16"),
            List.of(new Shape(8, 8)),
            List.of(1),
            List.of("vector"),
            List.of(Products.BF16),
            1,
            1);
    assertThatThrownBy(() -> LinearBench.run(rounded, row -> {}))
        .hasMessageContaining("no products in bf16");
  }

  private static Options options(List<String> variants, List<Integer> rows, int repetitions) {
    return new Options(
        variants,
        List.of(new Shape(8, 8)),
        rows,
        List.of("vector"),
        List.of(Products.F32),
        1,
        repetitions);
  }

  private static double metric(BenchResult row, String name) {
    return Objects.requireNonNull(row.metrics().get(name), name);
  }
}
