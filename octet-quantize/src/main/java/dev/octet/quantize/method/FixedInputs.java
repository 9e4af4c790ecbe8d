package dev.octet.quantize.method;

import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.Codecs;

/** Static activation scales: one a layer, from the largest input that calibration has seen. */
public final class FixedInputs {
  private FixedInputs() {}

  /**
   * The static form of a dynamic quantization.
   *
   * @param largest largest magnitude of the layer's inputs
   * @throws IllegalArgumentException if there is none
   */
  public static ActivationQuant of(ActivationQuant dynamic, float largest) {
    return switch (dynamic) {
      case ActivationQuant.DynamicInt8 _ -> new ActivationQuant.StaticInt8(scale(largest, 127), 0);
      case ActivationQuant.DynamicFp8 _ ->
          new ActivationQuant.StaticFp8(scale(largest, Codecs.E4M3_MAX));
      default ->
          throw new IllegalArgumentException("no static form of activations " + dynamic.label());
    };
  }

  private static float scale(float largest, float codes) {
    return Math.max(largest / codes, Float.MIN_NORMAL);
  }
}
