package dev.octet.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import org.junit.jupiter.api.Test;

class InputScalesTest {
  private static LinearWeights layer(ActivationQuant input) {
    return new LinearWeights(
        new DenseWeight(Tensor.ofFloats(new float[] {1, 2}, 1, 2)), null, input);
  }

  private static LinearWeights decoding(ActivationQuant input) {
    LinearWeights plain = layer(new ActivationQuant.DynamicInt8());
    return new LinearWeights(plain.weight(), null, plain.activation(), null, layer(input));
  }

  @Test
  void sizesAreGatheredByType() {
    InputScales scales = new InputScales();
    scales.add("a", layer(new ActivationQuant.StaticFp8(0.5f)));
    scales.add("b", layer(new ActivationQuant.StaticFp8(0.25f)));
    scales.add("c", decoding(new ActivationQuant.StaticInt8(2, -3)));
    scales.add("d", layer(new ActivationQuant.DynamicFp8()));
    assertThat(scales.layers()).isEqualTo(3);
    assertThat(scales.problems()).isEmpty();
    assertThat(scales.ranges())
        .containsExactly(
            new ScaleReport.Range("inputs", "fp8_e4m3", 2, 0.25f, 0.5f, 0.5f, false),
            new ScaleReport.Range("inputs", "int8", 1, 2, 2, 2, false));
  }

  @Test
  void onesAreReportedAndStrictRefusesThem() {
    InputScales scales = new InputScales();
    scales.add("a", layer(new ActivationQuant.StaticFp8(0.5f)));
    scales.add("b", layer(new ActivationQuant.StaticFp8(1)));
    scales.add("c", decoding(new ActivationQuant.StaticInt8(1, 0)));
    assertThat(scales.ones()).isEqualTo(2);
    assertThat(scales.problems()).singleElement().asString().contains("2 of 3 layers", "first b");
    KvScalePolicy.WARN.enforce(scales.problems());
    assertThatThrownBy(() -> KvScalePolicy.STRICT.enforce(scales.problems()))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("strict")
        .hasMessageContaining("first b");
  }
}
