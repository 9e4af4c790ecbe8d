package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class LayerQuantizerTest {
  /** Rows are quantized by many threads; whichever meets the number, the message is for people. */
  @Test
  void aWeightThatIsNoNumberIsNamedWithoutAnyClass() {
    for (int row = 0; row < 512; row += 37) {
      try (Arena arena = Arena.ofShared()) {
        Tensor values = Tensor.allocate(arena, DType.F32, 512, 64);
        values.setFloat(row * 64L + 5, Float.NaN);
        LinearWeights layer =
            new LinearWeights(new DenseWeight(values), null, new ActivationQuant.None());
        assertThatThrownBy(() -> LayerQuantizer.quantize("m", layer, QuantScheme.of("w8a8"), arena))
            .isInstanceOf(CheckpointException.class)
            .hasMessage("m: element [%d, 5] is NaN; only finite weights quantize", row);
      }
    }
  }
}
