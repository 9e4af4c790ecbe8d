package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.LinearWeights;

/** One quantized linear layer as it is stored. */
interface QuantizedLayer {
  /** Checks all that can be known without reading codes. */
  void check();

  /** The layer in canonical form. */
  LinearWeights read();

  /** The reader for the format of the layer's group. */
  static QuantizedLayer of(StoredTensors tensors, LinearShape shape, Settings.Group settings) {
    Settings.Group group =
        settings.format().equals(Formats.BY_TENSORS)
            ? settings.withFormat(Formats.of(tensors, shape.module(), settings.weights()))
            : settings;
    return switch (group.format()) {
      case "nvfp4-pack-quantized", "mxfp4-pack-quantized" -> new Fp4Layer(tensors, shape, group);
      default -> new Layer(tensors, shape, group);
    };
  }
}
