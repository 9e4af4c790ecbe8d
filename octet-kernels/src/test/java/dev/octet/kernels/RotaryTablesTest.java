package dev.octet.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class RotaryTablesTest {
  @Test
  void theFirstPairTurnsOnceARadianAndTheLastSlowest() {
    double[] inverse = RotaryTables.standard(8, 10000).inverse();
    assertThat(inverse).containsExactly(new double[] {1, 0.1, 0.01, 0.001}, within(1e-15));
  }

  @Test
  void dynamicIsPlainUpToItsContextAndContinuousThere() {
    double[] plain = RotaryTables.standard(16, 1e4).inverse();
    assertThat(RotaryTables.dynamic(16, 1e4, 2, 24, 24).inverse()).isEqualTo(plain);
    assertThat(RotaryTables.dynamic(16, 1e4, 2, 24, 48).inverse()[7]).isLessThan(plain[7]);
  }

  @Test
  void llama3KeepsHighAndDividesLowFrequencies() {
    double[] plain = RotaryTables.standard(128, 5e5).inverse();
    double[] scaled = RotaryTables.llama3(128, 5e5, 8, 1, 4, 8192).inverse();
    assertThat(scaled[0]).isEqualTo(plain[0]);
    assertThat(scaled[63]).isEqualTo(plain[63] / 8);
  }

  @Test
  void yarnWithoutMscaleScalesByTheLogarithmOfTheFactor() {
    RotaryTable table = RotaryTables.yarn(64, 1e4, 4, 32, 32, 1, null, null, null, true);
    assertThat(table.magnitude()).isCloseTo(0.1 * Math.log(4) + 1, within(1e-15));
  }
}
