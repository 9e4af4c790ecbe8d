package dev.octet.quantize.method;

import dev.octet.quantize.observe.CodeGrid;
import dev.octet.quantize.observe.Range;
import dev.octet.tensor.ActivationQuant;

/** Static activation scales: one a layer, from the range that calibration has found. */
public final class FixedInputs {
  private FixedInputs() {}

  /** Whether a dynamic quantization has a static form. */
  public static boolean isPossible(ActivationQuant dynamic) {
    return dynamic instanceof ActivationQuant.DynamicInt8
        || dynamic instanceof ActivationQuant.DynamicFp8;
  }

  /**
   * The codes of a dynamic quantization's static form.
   *
   * @throws IllegalArgumentException if it has none
   */
  public static CodeGrid grid(ActivationQuant dynamic) {
    return switch (dynamic) {
      case ActivationQuant.DynamicInt8 _ -> CodeGrid.INT8;
      case ActivationQuant.DynamicFp8 _ -> CodeGrid.FP8;
      default ->
          throw new IllegalArgumentException("no static form of activations " + dynamic.label());
    };
  }

  /**
   * The static form of a dynamic quantization, symmetric.
   *
   * @param range of the layer's inputs
   * @throws IllegalArgumentException if there is none
   */
  public static ActivationQuant of(ActivationQuant dynamic, Range range) {
    CodeGrid grid = grid(dynamic);
    float scale = grid.scale(range);
    return switch (grid) {
      case INT8 -> new ActivationQuant.StaticInt8(scale, 0);
      case FP8 -> new ActivationQuant.StaticFp8(scale);
    };
  }
}
