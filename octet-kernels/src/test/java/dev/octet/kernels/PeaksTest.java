package dev.octet.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.Peaks.Arithmetic;
import dev.octet.kernels.vector.VectorPeaks;
import java.util.List;
import org.junit.jupiter.api.Test;

class PeaksTest {
  /** Beyond these no machine is: a loop that was left out, or one that hangs, would be. */
  @Test
  void peaksAreThoseOfAMachine() {
    requireOfAMachine(Peaks.measure(1));
    requireOfAMachine(Peaks.measure(new VectorPeaks(), 1));
  }

  @Test
  void readingIsMeasuredAnewAndNothingElse() {
    Peaks before = new Peaks("any", 1, 1, List.of(new Peaks.Peak(Arithmetic.F32, "slow", 2)));
    Peaks now = before.readingNow();
    assertThat(now.bytesPerSecond()).isBetween(1e8, 2e12);
    assertThat(now.reading(1)).isEqualTo(before);
  }

  private static void requireOfAMachine(Peaks peaks) {
    assertThat(peaks.bytesPerSecond()).isBetween(1e8, 2e12);
    assertThat(peaks.arithmetic()).isNotEmpty();
    for (Peaks.Peak peak : peaks.arithmetic()) {
      assertThat(peak.operationsPerSecond()).as(peak.instruction()).isBetween(1e8, 1e14);
    }
    for (Arithmetic kind : Arithmetic.values()) {
      assertThat(peaks.operationsPerSecond(kind)).as("%s", kind).isPositive();
    }
  }

  @Test
  void theFastestInstructionOfAKindCountsAndF32WhereThereIsNone() {
    Peaks peaks =
        new Peaks(
            "any",
            1,
            1,
            List.of(
                new Peaks.Peak(Arithmetic.F32, "slow", 2),
                new Peaks.Peak(Arithmetic.F32, "fast", 3),
                new Peaks.Peak(Arithmetic.INT8, "bytes", 7)));
    assertThat(peaks.operationsPerSecond(Arithmetic.F32)).isEqualTo(3);
    assertThat(peaks.operationsPerSecond(Arithmetic.INT8)).isEqualTo(7);
    assertThat(peaks.operationsPerSecond(Arithmetic.BF16)).isEqualTo(3);
  }
}
