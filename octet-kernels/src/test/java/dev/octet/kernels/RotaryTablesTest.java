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

  /** The numbers of the following tests come from transformers' definitions, evaluated in F64. */
  private static void assertFrequency(RotaryTable table, int pair, double expected) {
    assertThat(table.inverse()[pair]).isCloseTo(expected, within(1e-12 * expected));
  }

  @Test
  void llama31TurnsAsInTransformers() {
    RotaryTable table = RotaryTables.llama3(128, 5e5, 8, 1, 4, 8192);
    assertFrequency(table, 20, 0.016560440080994446);
    assertFrequency(table, 29, 0.002166570763503359);
    assertFrequency(table, 32, 0.0005248461609929547);
    assertFrequency(table, 35, 9.556212353964683e-05);
    assertFrequency(table, 63, 3.068925988914511e-07);
    assertThat(table.magnitude()).isEqualTo(1);
  }

  @Test
  void yarnTurnsAsInTransformers() {
    RotaryTable qwen = RotaryTables.yarn(128, 1e6, 4, 32768, 32, 1, null, null, null, true);
    assertFrequency(qwen, 23, 0.006978305848598663);
    assertFrequency(qwen, 24, 0.005375321490790102);
    assertFrequency(qwen, 30, 0.0010643609812470017);
    assertFrequency(qwen, 39, 6.490394320837029e-05);
    assertFrequency(qwen, 63, 3.102344401879299e-07);
    assertThat(qwen.magnitude()).isCloseTo(1.138629436111989, within(1e-15));
    RotaryTable untruncated = RotaryTables.yarn(64, 15e4, 32, 4096, 32, 1, null, null, null, false);
    assertFrequency(untruncated, 8, 0.050813274815461475);
    assertFrequency(untruncated, 9, 0.03170569618466377);
    assertFrequency(untruncated, 17, 0.00012931870124506317);
    assertFrequency(untruncated, 18, 3.8308812373753384e-05);
  }

  @Test
  void yarnsMagnitudeIsWhatTheConfigSaysOrTheQuotientOfDeepSeeksTerms() {
    assertThat(RotaryTables.yarn(64, 1e4, 40, 4096, 32, 1, 1.25, 1.0, 0.5, true).magnitude())
        .isEqualTo(1.25);
    double one = 0.1 * Math.log(40) + 1;
    double half = 0.05 * Math.log(40) + 1;
    assertThat(RotaryTables.yarn(64, 1e4, 40, 4096, 32, 1, null, 1.0, 0.5, true).magnitude())
        .isCloseTo(one / half, within(1e-15));
    assertThat(RotaryTables.yarn(64, 1e4, 40, 4096, 32, 1, null, 1.0, 1.0, true).magnitude())
        .isEqualTo(1);
    assertThat(RotaryTables.yarn(64, 1e4, 40, 4096, 32, 1, null, 1.0, 0.0, true).magnitude())
        .isCloseTo(one, within(1e-15));
  }

  @Test
  void dynamicTurnsAsInTransformers() {
    RotaryTable table = RotaryTables.dynamic(64, 1e4, 2, 2048, 5000);
    assertFrequency(table, 1, 0.7177864848979212);
    assertFrequency(table, 16, 0.004965059174435371);
    assertFrequency(table, 31, 3.434421394706348e-05);
  }
}
