package dev.octet.kernels.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Exp2Test {
  private static float of(float x) {
    float[] lanes = new float[FloatVector.SPECIES_PREFERRED.length()];
    Arrays.fill(lanes, x);
    Exp2.of(FloatVector.fromArray(FloatVector.SPECIES_PREFERRED, lanes, 0)).intoArray(lanes, 0);
    return lanes[lanes.length - 1];
  }

  @Test
  void holdsItsErrorDownToTheSmallestNormalNumber() {
    for (float x = -126; x <= 0; x += 0.01f) {
      double exact = Math.pow(2, x);
      assertThat((double) of(x)).as("2^%s", x).isCloseTo(exact, within(1.1e-7 * exact));
    }
    assertThat(of(-0f)).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(floats = {-126.00001f, -1000, -Float.MAX_VALUE, Float.NEGATIVE_INFINITY})
  void isZeroBelow(float x) {
    assertThat(of(x)).isZero();
  }

  /** A NaN may carry any bits, for instance those of erased memory. */
  @ParameterizedTest
  @ValueSource(ints = {0x7FC00000, 0x7FC00001, 0x7F800001, 0xFFFFFFFF})
  void nanStaysNan(int bits) {
    assertThat(of(Float.intBitsToFloat(bits))).isNaN();
  }
}
