package dev.octet.cli;

import dev.octet.engine.Tokenizer;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.calibrate.CalibrationText;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --method} and what belongs to it: quantizing with knowledge of the inputs. */
final class MethodOptions {
  /** A step that {@code --method} names. */
  enum Method {
    ROTATION,
    RTN,
    SMOOTHQUANT,
    AWQ,
    GPTQ
  }

  @Option(
      names = "--method",
      paramLabel = "METHOD",
      split = ",",
      description =
          "rtn (round to nearest, the default), gptq, awq, smoothquant, rotation; they may follow each"
              + " other in the order rotation, smoothquant or awq, gptq: rotation,gptq")
  List<Method> methods = List.of(Method.RTN);

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
              + "99.9; auto: search for awq, none otherwise (default)")
  String clip;

  @Option(
      names = "--static-inputs",
      description = "one activation scale a layer, from calibration, instead of one a token")
  boolean fixedInputs;

  @Option(names = "--explain", description = "say what would be done, step by step, and stop")
  boolean explain;

  /** Whether what is asked for needs a look at activations. */
  boolean calibrates() {
    return fixedInputs
        || !List.of(Method.ROTATION, Method.RTN).containsAll(methods)
        || !clip.equals("auto");
  }

  /** How the model is turned before anything else; null: not. */
  @Nullable RotationOptions rotation() {
    return methods.contains(Method.ROTATION) ? new RotationOptions(seed) : null;
  }

  /**
   * The steps in order.
   *
   * @throws CliException if they do not go together
   */
  Recipe recipe(QuantizeOptions options) {
    return new Recipe(rotation(), smoothing(), rounding(), fixedInputs, options);
  }

  private @Nullable Smoothing smoothing() {
    boolean smooth = methods.contains(Method.SMOOTHQUANT);
    boolean awq = methods.contains(Method.AWQ);
    boolean twice = methods.stream().distinct().count() < methods.size();
    boolean ordered =
        methods.stream()
            .sorted(Comparator.comparingInt(MethodOptions::turn))
            .toList()
            .equals(methods);
    boolean rounds = methods.contains(Method.GPTQ) && methods.contains(Method.RTN);
    if (smooth && awq || twice || !ordered || rounds) {
      throw new CliException(
          "--method "
              + String.join(",", methods.stream().map(MethodOptions::name).toList())
              + ": name rotation first, then smoothquant or awq, then gptq or rtn");
    }
    return smooth ? new Smoothing.SmoothQuant(alpha()) : awq ? new Smoothing.Awq() : null;
  }

  private static int turn(Method method) {
    return switch (method) {
      case ROTATION -> 0;
      case SMOOTHQUANT, AWQ -> 1;
      case GPTQ, RTN -> 2;
    };
  }

  private static String name(Method method) {
    return method.name().toLowerCase(Locale.ROOT);
  }

  private double alpha() {
    if (alpha.equals("auto")) {
      return Double.NaN;
    }
    try {
      double value = Double.parseDouble(alpha);
      if (value >= 0 && value <= 1) {
        return value;
      }
    } catch (NumberFormatException e) {
      throw new CliException("--alpha " + alpha + ": a number from 0 to 1, or auto", e);
    }
    throw new CliException("--alpha " + alpha + ": a number from 0 to 1, or auto");
  }

  private Rounding rounding() {
    if (methods.contains(Method.GPTQ)) {
      return new Rounding.Compensated(new GptqOptions(order, damping, clipping(false)));
    }
    Clipping clipping = clipping(methods.contains(Method.AWQ));
    return clipping.equals(Clipping.NONE) ? new Rounding.Nearest() : new Rounding.Clipped(clipping);
  }

  private Clipping clipping(boolean searches) {
    return switch (clip) {
      case "auto" -> searches ? Clipping.SEARCH : Clipping.NONE;
      case "none" -> Clipping.NONE;
      case "search" -> Clipping.SEARCH;
      default -> percentile();
    };
  }

  private Clipping percentile() {
    try {
      return Clipping.ofPercentile(Double.parseDouble(clip));
    } catch (IllegalArgumentException e) {
      throw new CliException("--clip " + clip + ": none, search, auto or a percentile", e);
    }
  }

  /** What decides the choice of sequences, for telling one interrupted run from another. */
  String textSettings() {
    return "calibration %s, %d samples of %d tokens, seed %d"
        .formatted(text == null ? "default" : text.toAbsolutePath(), samples, length, seed);
  }

  /** The text that was named, or the one that comes along. */
  EvalText read(Tokenizer tokenizer) {
    if (text == null) {
      return EvalText.ofText("calibration.txt", CalibrationText.bundled(), tokenizer);
    }
    return EvalText.ofText(String.valueOf(text.getFileName()), EvalText.readUtf8(text), tokenizer);
  }

  /** The sequences to calibrate with. */
  List<int[]> sequences(EvalText source) {
    return CalibrationText.cut(source.ids(), samples, length, seed, source.bos());
  }
}
