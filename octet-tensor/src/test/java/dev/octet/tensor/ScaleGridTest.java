package dev.octet.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
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

  @Test
  void scalesOfAnySignAreTakenWhereTheFormatHasThem() {
    Tensor scales = Tensor.ofFloats(new float[] {-0.5f, 0}, 1, 2);
    Tensor offsets = Tensor.ofFloats(new float[] {3, -2}, 1, 2);
    Tensor zero = Tensor.allocate(Arena.ofAuto(), DType.I16, 1, 1);
    zero.setFloat(0, -8);
    ScaleGrid grid =
        new ScaleGrid(ScaleGranularity.GROUP, 1, 2, scales, zero, ScaleSign.ANY, offsets);
    float[] row = {-8, 7, 1, 2};
    grid.applyToRow(0, row, 4);
    assertThat(row).containsExactly(3, 3 - 7.5f, -2, -2);
    assertThat(grid.plain()).isFalse();
    assertThat(grid.symmetric()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void noKindOfScaleOrOffsetMayPoisonItsBlock(float bad) {
    Tensor good = Tensor.ofFloats(new float[] {1, -1}, 2, 1);
    Tensor poisoned = Tensor.ofFloats(new float[] {1, bad}, 2, 1);
    ScaleGranularity channel = ScaleGranularity.CHANNEL;
    assertThatThrownBy(() -> new ScaleGrid(channel, 1, 8, poisoned, null, ScaleSign.ANY, null))
        .hasMessageContaining("scale 1 is " + bad);
    assertThatThrownBy(() -> new ScaleGrid(channel, 1, 8, good, null, ScaleSign.ANY, poisoned))
        .hasMessageContaining("offset 1 is " + bad);
  }
}
