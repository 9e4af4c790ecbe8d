package dev.octet.tensor;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ScaleGridTest {
  @ParameterizedTest
  @ValueSource(floats = {0f, -0f, -1f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void aScaleThatSilencesOrPoisonsItsBlockIsRefusedByItsIndex(float scale) {
    Tensor scales = Tensor.ofFloats(new float[] {1, Float.MIN_VALUE, Float.MAX_VALUE, scale}, 4, 1);
    assertThatThrownBy(() -> new ScaleGrid(ScaleGranularity.CHANNEL, 1, 8, scales, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("scale 3 is " + scale);
  }
}
