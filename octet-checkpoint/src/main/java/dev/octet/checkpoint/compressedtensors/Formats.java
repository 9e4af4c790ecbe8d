package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.Set;

/** The {@code format} of layers: which are read, and which it is where settings name none. */
final class Formats {
  /** Where no format is named: the layer's own tensors tell. */
  static final String BY_TENSORS = "";

  private static final Set<String> KNOWN =
      Set.of(
          "int-quantized",
          "pack-quantized",
          "float-quantized",
          "naive-quantized",
          "nvfp4-pack-quantized",
          "mxfp4-pack-quantized",
          "mxfp8-quantized");

  private Formats() {}

  static boolean isKnown(String format) {
    return KNOWN.contains(format) || format.equals(BY_TENSORS);
  }

  static String names() {
    return String.join(", ", KNOWN.stream().sorted().toList());
  }

  /** The format that a layer's tensors are in. */
  static String of(StoredTensors tensors, String module, QuantizationArgs weights) {
    Tensor scale = tensors.find(module + ".weight_scale");
    boolean exponents =
        scale != null && (scale.dtype() == DType.U8 || scale.dtype() == DType.F8_E8M0);
    if (tensors.has(module + ".weight_packed")) {
      return !weights.isFloat()
          ? "pack-quantized"
          : exponents ? "mxfp4-pack-quantized" : "nvfp4-pack-quantized";
    }
    return !weights.isFloat() ? "int-quantized" : exponents ? "mxfp8-quantized" : "float-quantized";
  }
}
