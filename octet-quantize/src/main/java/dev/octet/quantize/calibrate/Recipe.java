package dev.octet.quantize.calibrate;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.quantize.Preflight;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.WeightRounding;
import dev.octet.quantize.method.FixedInputs;
import dev.octet.quantize.method.Gptq;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.Hqq;
import dev.octet.quantize.method.HqqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.observe.Range;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RoundToNearest;
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
 * @param inputs how the range of static activation scales is found; null: activations get one scale
 *     a token
 * @param attention what of attention gets static scales; null: nothing
 * @param options schemes, and the modules that stay as they are
 */
public record Recipe(
    @Nullable RotationOptions rotation,
    @Nullable Smoothing smoothing,
    Rounding rounding,
    @Nullable ObserverSpec inputs,
    @Nullable AttentionQuant attention,
    QuantizeOptions options)
    implements Preflight.Method {

  /**
   * @throws IllegalArgumentException if the steps do not suit the scheme
   */
  public Recipe {
    if (inputs != null) {
      requireStaticForms(options);
    }
    String objection = rounding.objection(options.scheme());
    if (objection != null) {
      throw new IllegalArgumentException(objection);
    }
  }

  /** The scheme for all must have static inputs; of a rule's, those that are quantized. */
  private static void requireStaticForms(QuantizeOptions options) {
    options
        .schemes()
        .filter(s -> s.activation().quantizes() || s.equals(options.scheme()))
        .filter(s -> !FixedInputs.isPossible(s.activation()))
        .findFirst()
        .ifPresent(
            scheme -> {
              throw new IllegalArgumentException(
                  "static-inputs: inputs of %s are %s, which has no static form; use w8a8, w4a8 or"
                          .formatted(scheme.name(), scheme.activation().label())
                      + " fp8-dynamic, or leave it out");
            });
  }

  /** Without rotation. */
  public Recipe(
      @Nullable Smoothing smoothing,
      Rounding rounding,
      @Nullable ObserverSpec inputs,
      @Nullable AttentionQuant attention,
      QuantizeOptions options) {
    this(null, smoothing, rounding, inputs, attention, options);
  }

  /** Attention as it is, and static activation scales from extremes or none. */
  public Recipe(
      @Nullable Smoothing smoothing,
      Rounding rounding,
      boolean fixedInputs,
      QuantizeOptions options) {
    this(smoothing, rounding, fixedInputs ? ObserverSpec.MIN_MAX : null, null, options);
  }

  /** The same steps for other layers. */
  Recipe with(QuantizeOptions others) {
    return new Recipe(rotation, smoothing, rounding, inputs, attention, others);
  }

  /** How weights become codes. */
  public sealed interface Rounding {
    /** Why it cannot make a scheme's codes; null if it can. */
    @Nullable String objection(QuantScheme scheme);

    /** Each to its nearest. */
    record Nearest() implements Rounding {
      @Override
      public @Nullable String objection(QuantScheme scheme) {
        return null;
      }
    }

    /** Each to its nearest, in ranges that make the output's error small. */
    record Clipped(Clipping clipping) implements Rounding {
      @Override
      public @Nullable String objection(QuantScheme scheme) {
        return unlessIntegers("clip", "none", scheme);
      }
    }

    /** Later columns make up for the errors of earlier ones. */
    record Compensated(GptqOptions options) implements Rounding {
      @Override
      public @Nullable String objection(QuantScheme scheme) {
        return unlessIntegers("method gptq", "rtn", scheme);
      }
    }

    /** Each to its nearest, with zero points and scales for a small p-norm of the error. */
    record HalfQuadratic(HqqOptions options) implements Rounding {
      @Override
      public @Nullable String objection(QuantScheme scheme) {
        String integers = unlessIntegers("method hqq", "rtn", scheme);
        return scheme.symmetric() && integers == null
            ? "method hqq: chooses zero points, which %s has none of; use w4a16-asym"
                .formatted(scheme.name())
            : integers;
      }
    }

    private static @Nullable String unlessIntegers(String step, String other, QuantScheme scheme) {
      return switch (scheme.type()) {
        case INT8, INT4 -> null;
        case FP8_E4M3, FP8_E5M2 ->
            "%s: is for integer codes, %s has %s; use %s, or a scheme of integers such as w8a8"
                .formatted(step, scheme.name(), scheme.type().label(), other);
      };
    }
  }

  /** How a scheme's weights become codes: to the nearest where a rule's scheme knows no other. */
  Rounding rounding(QuantScheme scheme) {
    return rounding.objection(scheme) == null ? rounding : new Rounding.Nearest();
  }

  /** Any range stands for the one to be found, any order of columns for that of importance. */
  @Override
  public LinearWeights made(LinearShape shape, LinearWeights rounded, ModelConfig config) {
    if (shape.module().equals(ModelLayout.LM_HEAD)) {
      return rounded;
    }
    QuantizedWeight weight =
        rounding instanceof Rounding.Compensated(GptqOptions gptq)
            ? Gptq.regrouped(rounded.weight(), gptq)
            : rounded.weight();
    ActivationQuant dynamic = rounded.activation();
    ActivationQuant stored =
        inputs != null && dynamic.quantizes() ? FixedInputs.of(dynamic, new Range(-1, 1)) : dynamic;
    LinearWeights layer = new LinearWeights(weight, null, stored);
    return rotation == null ? layer : rotation.turned(shape.module(), layer, config);
  }

  @Override
  public @Nullable KvScales cache(ModelConfig config) {
    return attention == null ? null : new OperandScales(attention, config).cache();
  }

  @Override
  public @Nullable QueryScales query(ModelConfig config) {
    return attention == null ? null : new OperandScales(attention, config).query();
  }

  /** What a recipe that learns nothing from a text does to weights. */
  public WeightRounding weightRounding() {
    return new WeightRounding(
        rounding.toString(),
        (values, scheme, arena) ->
            rounding(scheme) instanceof Rounding.HalfQuadratic(HqqOptions hqq)
                ? Hqq.quantize(values, scheme, hqq, arena)
                : RoundToNearest.quantize(values, scheme, arena));
  }

  /** Whether the Gram matrices of inputs are needed. */
  boolean needsGram() {
    return switch (rounding) {
      case Rounding.Compensated _ -> true;
      case Rounding.Clipped(Clipping clipping) -> clipping.steps() > 0;
      case Rounding.Nearest _, Rounding.HalfQuadratic _ -> false;
    };
  }

  /** Whether anything is learned from a text. */
  public boolean calibrates() {
    boolean weightsAlone =
        rounding instanceof Rounding.Nearest || rounding instanceof Rounding.HalfQuadratic;
    return smoothing != null || inputs != null || attention != null || !weightsAlone;
  }

  /** One line a step, for people. */
  public List<String> steps() {
    List<String> steps = new ArrayList<>();
    if (rotation != null) {
      steps.add(rotation.step());
    }
    if (options.ignore().contains("*")) {
      steps.add("weights stay as they are");
    } else {
      addWeights(steps);
    }
    if (attention != null) {
      steps.add(attention.describe());
    }
    steps.add("left as they are: " + String.join(", ", options.ignore()));
    return steps;
  }

  private void addWeights(List<String> steps) {
    switch (smoothing) {
      case null -> {}
      case Smoothing.SmoothQuant(double alpha) ->
          steps.add(
              "SmoothQuant of attention, feed-forward and down inputs, alpha "
                  + (Double.isNaN(alpha) ? "searched per layer" : String.valueOf(alpha)));
      case Smoothing.Awq() ->
          steps.add("AWQ scale search of attention, output, feed-forward and down inputs");
    }
    steps.add(options.scheme() + ", " + describe(rounding));
    for (QuantizeOptions.LayerRule rule : options.rules()) {
      steps.add(
          "%s: %s, %s"
              .formatted(
                  String.join(", ", rule.targets()),
                  rule.scheme(),
                  describe(rounding(rule.scheme()))));
    }
    if (inputs != null) {
      steps.add(
          inputs.equals(ObserverSpec.MIN_MAX)
              ? "static activation scales from the largest inputs seen"
              : "static activation scales, observer " + inputs);
    }
  }

  private static String describe(Rounding rounding) {
    return switch (rounding) {
      case Rounding.Nearest _ -> "rounded to nearest";
      case Rounding.Clipped(Clipping c) ->
          c.percentile() < 100
              ? "ranges of the " + c.percentile() + "th percentile"
              : "ranges searched down to " + Math.round(100 * c.least()) + " %";
      case Rounding.Compensated(GptqOptions g) ->
          "GPTQ: act-order %s, damping %s%s"
              .formatted(
                  g.order().name().toLowerCase(Locale.ROOT),
                  g.damping(),
                  g.clipping().equals(Clipping.NONE)
                      ? ""
                      : ", " + describe(new Rounding.Clipped(g.clipping())));
      case Rounding.HalfQuadratic(HqqOptions h) ->
          "HQQ: %d iterations, norm %s".formatted(h.iterations(), h.norm());
    };
  }
}
