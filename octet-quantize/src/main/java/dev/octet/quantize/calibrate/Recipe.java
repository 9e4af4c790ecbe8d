package dev.octet.quantize.calibrate;

import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.FixedInputs;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.WeightType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What calibrated quantization does to every layer, in this order.
 *
 * @param rotation turns the model before anything else; null: not
 * @param smoothing moves difficulty from inputs to weights before anything is quantized; null: not
 * @param rounding how weights become codes
 * @param fixedInputs whether activations get static scales instead of one a token
 * @param options scheme, and the modules that stay as they are
 */
public record Recipe(
    @Nullable RotationOptions rotation,
    @Nullable Smoothing smoothing,
    Rounding rounding,
    boolean fixedInputs,
    QuantizeOptions options) {

  /**
   * @throws IllegalArgumentException if the steps do not suit the scheme
   */
  public Recipe {
    QuantScheme scheme = options.scheme();
    if (fixedInputs) {
      FixedInputs.of(scheme.activation(), 1); // refuses what has no static form
    }
    if (!(rounding instanceof Rounding.Nearest)) {
      new GroupCoder(scheme, Clipping.NONE); // refuses codes that are no integers
    }
    if (rounding instanceof Rounding.Compensated(GptqOptions gptq)
        && gptq.order() == ActOrder.GROUP
        && scheme.type() != WeightType.INT4) {
      throw new IllegalArgumentException(
          scheme.name() + ": groups in the order of importance are for INT4; use static");
    }
  }

  /** Without rotation. */
  public Recipe(
      @Nullable Smoothing smoothing,
      Rounding rounding,
      boolean fixedInputs,
      QuantizeOptions options) {
    this(null, smoothing, rounding, fixedInputs, options);
  }

  /** How weights become codes. */
  public sealed interface Rounding {
    /** Each to its nearest. */
    record Nearest() implements Rounding {}

    /** Each to its nearest, in ranges that make the output's error small. */
    record Clipped(Clipping clipping) implements Rounding {}

    /** Later columns make up for the errors of earlier ones. */
    record Compensated(GptqOptions options) implements Rounding {}
  }

  /** Whether the Gram matrices of inputs are needed. */
  boolean needsGram() {
    return rounding instanceof Rounding.Compensated;
  }

  /** One line a step, for people. */
  public List<String> steps() {
    List<String> steps = new ArrayList<>();
    if (rotation != null) {
      steps.add(rotation.step());
    }
    if (options.ignore().contains("*")) {
      steps.add("nothing is quantized");
      return steps;
    }
    switch (smoothing) {
      case null -> {}
      case Smoothing.SmoothQuant(double alpha) ->
          steps.add(
              "SmoothQuant of attention and feed-forward inputs, alpha "
                  + (Double.isNaN(alpha) ? "searched per layer" : String.valueOf(alpha)));
      case Smoothing.Awq() ->
          steps.add("AWQ scale search of attention, feed-forward and down inputs");
    }
    String scheme = options.scheme().toString();
    steps.add(
        switch (rounding) {
          case Rounding.Nearest _ -> scheme + ", rounded to nearest";
          case Rounding.Clipped(Clipping c) ->
              c.percentile() < 100
                  ? scheme + ", ranges of the " + c.percentile() + "th percentile"
                  : scheme + ", ranges searched down to " + Math.round(100 * c.least()) + " %";
          case Rounding.Compensated(GptqOptions g) ->
              "%s, GPTQ: act-order %s, damping %s"
                  .formatted(scheme, g.order().name().toLowerCase(Locale.ROOT), g.damping());
        });
    if (fixedInputs) {
      steps.add("static activation scales from the largest inputs seen");
    }
    steps.add("left as they are: " + String.join(", ", options.ignore()));
    return steps;
  }
}
