package dev.octet.cli;

import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.AttentionQuant;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.HqqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.recipe.CalibrationData;
import dev.octet.quantize.recipe.RecipeNames;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --method} and what belongs to it: quantizing with knowledge of the inputs. */
final class MethodOptions {
  /** A step that {@code --method} names. */
  enum Method {
    ROTATION(Stage.ROTATION),
    SMOOTHQUANT(Stage.SMOOTHING),
    AWQ(Stage.SMOOTHING),
    RTN(Stage.ROUNDING),
    GPTQ(Stage.ROUNDING),
    HQQ(Stage.ROUNDING),
    FAQUANT(Stage.ATTENTION),
    C8(Stage.ATTENTION),
    KV_FP8(Stage.ATTENTION);

    private final Stage stage;

    Method(Stage stage) {
      this.stage = stage;
    }

    /** As it is spelled: {@code kv-fp8}. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** The order in which steps follow each other, one of each at most. */
  private enum Stage {
    ROTATION,
    SMOOTHING,
    ROUNDING,
    ATTENTION
  }

  @Option(
      names = "--method",
      paramLabel = "METHOD",
      split = ",",
      description = {
        "steps in their order, for instance smoothquant,gptq,faquant:",
        "rotation; then smoothquant or awq; then rtn (round to nearest, the default), gptq or hqq; then static "
            + "scales of attention (faquant) or of the cache (c8, kv-fp8)"
      })
  List<Method> methods = List.of(Method.RTN);

  @Option(
      names = "--rotations",
      paramLabel = "NAME",
      split = ",",
      description =
          "rotation: R1 (residual stream) and R2 (value heads) are folded into weights; R4 turns the "
              + "inputs of down_proj while the model runs, said in transform_config (default: R1,R2)")
  List<String> rotations = List.of("R1", "R2");

  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description = "UTF-8 text to calibrate on (default: a text that comes with Octet)")
  @Nullable Path text;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "128",
      description = "sequences taken from it (default: 128)")
  int samples;

  @Option(
      names = "--sample-length",
      paramLabel = "N",
      defaultValue = "512",
      description = "tokens of each (default: 512)")
  int length;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "of the choice of sequences, and of a rotation (default: 0)")
  long seed;

  @Option(
      names = "--alpha",
      paramLabel = "X",
      defaultValue = "auto",
      description =
          "SmoothQuant: how much of the difficulty weights take, 0 to 1; auto searches a layer's "
              + "best (default)")
  String alpha;

  @Option(
      names = "--act-order",
      paramLabel = "ORDER",
      defaultValue = "static",
      description =
          "GPTQ: none, static (important columns first, groups as stored; default) or group "
              + "(important columns share groups; slower to run)")
  ActOrder order;

  @Option(
      names = "--damping",
      paramLabel = "X",
      defaultValue = "0.01",
      description = "GPTQ: part of the mean diagonal added to the diagonal (default: 0.01)")
  double damping;

  @Option(
      names = "--clip",
      paramLabel = "RULE",
      defaultValue = "auto",
      description =
          "range of a scale: none, search (narrower where the output gains), a percentile such as "
              + "99.9; auto: search for awq and gptq, none otherwise (default)")
  String clip;

  @Option(
      names = "--static-inputs",
      description = "one activation scale a layer, from calibration, instead of one a token")
  boolean fixedInputs;

  @Option(
      names = "--observer",
      paramLabel = "RULE",
      description =
          "range of static inputs and cache scales: minmax (default), percentile:99.99, mse, "
              + "entropy, running:0.01, window:99.99")
  @Nullable String observer;

  @Option(
      names = "--kv-scales",
      paramLabel = "WHAT",
      description = "kv-fp8: a scale for each tensor (default) or head")
  @Nullable KvScale kvScales;

  @Option(
      names = "--kv-offsets",
      description = "c8: offsets, too; vllm-ascend does not decode them, MindIE does")
  boolean kvOffsets;

  /** What shares a scale of an FP8 cache. */
  enum KvScale {
    TENSOR,
    HEAD
  }

  /** Options of the text that is looked at. */
  static final Set<String> OF_TEXTS =
      Set.of("--calibration", "--samples", "--sample-length", "--seed");

  /**
   * The steps in order.
   *
   * @param given names of the options that somebody has written and that nothing else uses
   * @throws CliException if they do not go together, or one of them has no effect
   */
  Recipe recipe(QuantizeOptions options, List<String> given) {
    require(given);
    Recipe recipe = OptionValue.named(() -> steps(options));
    for (String option : OF_TEXTS) {
      boolean seed = option.equals("--seed") && recipe.rotation() != null;
      if (given.contains(option) && !recipe.calibrates() && !seed) {
        throw new CliException(
            "%s: --method %s looks at no text%s; smoothquant, awq, gptq, faquant, c8 and kv-fp8 do,"
                    .formatted(option, steps(), option.equals("--seed") ? " and turns nothing" : "")
                + " --static-inputs and --clip too");
      }
    }
    return recipe;
  }

  /** Refuses steps that do not go together whatever the schemes are. */
  void require(List<String> given) {
    requireOrder();
    requireMeaning();
    requireEffect(given);
  }

  /**
   * The steps for some schemes.
   *
   * @throws IllegalArgumentException if they are not for these
   */
  Recipe steps(QuantizeOptions options) {
    return new Recipe(
        rotation(), smoothing(), rounding(), fixedInputs ? observer() : null, attention(), options);
  }

  /** What one method alone takes. */
  private void requireEffect(List<String> given) {
    Map<String, Method> users =
        Map.of(
            "--rotations", Method.ROTATION,
            "--alpha", Method.SMOOTHQUANT,
            "--act-order", Method.GPTQ,
            "--damping", Method.GPTQ,
            "--kv-scales", Method.KV_FP8,
            "--kv-offsets", Method.C8);
    for (String option : given) {
      Method user = users.get(option);
      if (user != null && !methods.contains(user)) {
        throw new CliException(
            "%s: only --method %s uses it, not %s".formatted(option, user, steps()));
      }
    }
  }

  private String steps() {
    return methods.stream().map(Method::toString).collect(Collectors.joining(","));
  }

  private void requireOrder() {
    Set<Stage> seen = EnumSet.noneOf(Stage.class);
    for (Method method : methods) {
      boolean late = seen.stream().anyMatch(stage -> stage.compareTo(method.stage) >= 0);
      if (late) {
        throw new CliException(
            "--method "
                + steps()
                + ": name rotation first, then smoothquant or awq, then gptq, hqq or rtn, then"
                + " faquant, c8 or kv-fp8, one of each");
      }
      seen.add(method.stage);
    }
  }

  private void requireMeaning() {
    boolean cache = methods.contains(Method.C8) || methods.contains(Method.KV_FP8);
    if (observer != null && !fixedInputs && !cache) {
      throw new CliException("--observer is for --static-inputs, --method c8 or kv-fp8");
    }
  }

  private @Nullable RotationOptions rotation() {
    if (!methods.contains(Method.ROTATION)) {
      return null;
    }
    List<String> folded = rotations.stream().filter(r -> !r.equals("R4")).sorted().toList();
    if (!folded.equals(List.of("R1", "R2")) || rotations.size() > 3) {
      throw new CliException(
          "--rotations " + String.join(",", rotations) + ": choose R1,R2 or R1,R2,R4");
    }
    return new RotationOptions(seed, rotations.contains("R4"));
  }

  private @Nullable Smoothing smoothing() {
    if (methods.contains(Method.SMOOTHQUANT)) {
      return new Smoothing.SmoothQuant(OptionValue.of("--alpha", RecipeNames::alpha, alpha));
    }
    return methods.contains(Method.AWQ) ? new Smoothing.Awq() : null;
  }

  private Rounding rounding() {
    if (methods.contains(Method.GPTQ)) {
      return new Rounding.Compensated(gptq());
    }
    if (methods.contains(Method.HQQ)) {
      if (!clip.equals("auto")) {
        throw new CliException("--clip has no meaning for hqq, which chooses the range itself");
      }
      return new Rounding.HalfQuadratic(HqqOptions.DEFAULT);
    }
    Clipping clipping = clipping(methods.contains(Method.AWQ));
    return clipping.equals(Clipping.NONE) ? new Rounding.Nearest() : new Rounding.Clipped(clipping);
  }

  private GptqOptions gptq() {
    Clipping clipping = clipping(true);
    return OptionValue.of(
        "--damping", x -> new GptqOptions(order, damping, clipping), String.valueOf(damping));
  }

  private Clipping clipping(boolean searches) {
    if (clip.equals("auto")) {
      return searches ? Clipping.SEARCH : Clipping.NONE;
    }
    return OptionValue.of("--clip", RecipeNames::clipping, clip);
  }

  private ObserverSpec observer() {
    return observer == null
        ? ObserverSpec.MIN_MAX
        : OptionValue.of("--observer", ObserverSpec::of, observer);
  }

  private @Nullable AttentionQuant attention() {
    if (methods.contains(Method.FAQUANT)) {
      return AttentionQuant.FaQuant.USUAL;
    }
    if (methods.contains(Method.C8)) {
      return new AttentionQuant.C8(observer(), kvOffsets);
    }
    return methods.contains(Method.KV_FP8)
        ? new AttentionQuant.KvFp8(kvScales == KvScale.HEAD, observer())
        : null;
  }

  /** Whether something is asked for, but nothing that changes codes of weights. */
  boolean leavesWeights() {
    return !methods.equals(List.of(Method.RTN))
        && methods.stream().allMatch(m -> m.stage == Stage.ROTATION || m.stage == Stage.ATTENTION)
        && !fixedInputs
        && clip.equals("auto");
  }

  /** The text to calibrate on. */
  CalibrationData calibration() {
    return new CalibrationData(text, samples, length, seed);
  }
}
