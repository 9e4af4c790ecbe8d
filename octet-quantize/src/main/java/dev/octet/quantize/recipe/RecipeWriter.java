package dev.octet.quantize.recipe;

import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.QuantizeOptions.LayerRule;
import dev.octet.quantize.calibrate.AttentionQuant;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.HqqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScaleGranularity;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Writes a recipe as YAML with every option named, so that it reads the same when defaults change.
 */
final class RecipeWriter {
  private final StringBuilder out = new StringBuilder();

  String write(GgufRecipe file) {
    line("scheme: " + file.scheme());
    line("ignore: " + list(file.ignore()));
    line("format: gguf");
    return out.toString();
  }

  String write(RecipeFile file) {
    Recipe recipe = file.recipe();
    boolean gguf = file.outer() != null;
    scheme("", recipe.options().scheme(), gguf);
    line("ignore: " + list(gguf ? file.ignoredLayers() : recipe.options().ignore()));
    line("steps:");
    if (recipe.rotation() != null) {
      String online = recipe.rotation().online() ? ", online: true" : "";
      line("  - rotation: {seed: " + recipe.rotation().seed() + online + "}");
    }
    smoothing(recipe);
    rounding(recipe.rounding());
    if (recipe.inputs() != null) {
      line("  - static-inputs: {observer: " + quoted(recipe.inputs().toString()) + "}");
    }
    attention(recipe);
    if (!recipe.options().rules().isEmpty()) {
      line("layers:");
    }
    for (LayerRule rule : recipe.options().rules()) {
      line("  - targets: " + list(rule.targets()));
      scheme("    ", rule.scheme(), gguf);
    }
    if (recipe.calibrates()) {
      calibration(file.calibration());
    }
    line("format: " + (gguf ? "gguf" : file.format().label()));
    return out.toString();
  }

  private void line(String text) {
    out.append(text).append('\n');
  }

  private void scheme(String indent, QuantScheme scheme, boolean gguf) {
    boolean grouped = scheme.granularity() == ScaleGranularity.GROUP;
    QuantScheme named =
        gguf
            ? GgufTarget.named(scheme.name(), scheme.group()).scheme()
            : QuantScheme.of(scheme.name());
    QuantScheme read =
        grouped && named.granularity() == ScaleGranularity.GROUP
            ? named.withGroup(scheme.group())
            : named;
    if (!read.equals(scheme)) {
      throw new IllegalArgumentException(scheme + " has no name in a recipe");
    }
    line(indent + "scheme: " + scheme.name());
    if (grouped) {
      line(indent + "group-size: " + scheme.group());
    }
  }

  private void smoothing(Recipe recipe) {
    switch (recipe.smoothing()) {
      case null -> {}
      case Smoothing.SmoothQuant(double alpha) ->
          line("  - smoothquant: {alpha: " + RecipeNames.alpha(alpha) + "}");
      case Smoothing.Awq() -> line("  - awq");
    }
  }

  private void rounding(Rounding rounding) {
    switch (rounding) {
      case Rounding.Nearest() -> line("  - rtn: {clip: none}");
      case Rounding.Clipped(Clipping clipping) ->
          line("  - rtn: {clip: " + RecipeNames.clipping(clipping) + "}");
      case Rounding.Compensated(GptqOptions g) ->
          line(
              "  - gptq: {act-order: %s, damping: %s, clip: %s}"
                  .formatted(
                      g.order().name().toLowerCase(Locale.ROOT),
                      g.damping(),
                      RecipeNames.clipping(g.clipping())));
      case Rounding.HalfQuadratic(HqqOptions h) ->
          line(
              "  - hqq: {iterations: %d, norm: %s, beta: %s, growth: %s}"
                  .formatted(h.iterations(), h.norm(), h.beta(), h.growth()));
    }
  }

  private void attention(Recipe recipe) {
    switch (recipe.attention()) {
      case null -> {}
      case AttentionQuant.FaQuant(double q, double k, double v) ->
          line("  - faquant: {query: %s, key: %s, value: %s}".formatted(q, k, v));
      case AttentionQuant.C8(var observer, boolean offsets) ->
          line(
              "  - c8: {observer: %s, offsets: %s}"
                  .formatted(quoted(observer.toString()), offsets));
      case AttentionQuant.KvFp8(boolean perHead, var observer) ->
          line(
              "  - kv-fp8: {scales: %s, observer: %s}"
                  .formatted(perHead ? "head" : "tensor", quoted(observer.toString())));
    }
  }

  private void calibration(CalibrationData data) {
    line("calibration:");
    if (data.text() != null) {
      line("  text: " + quoted(data.text().toAbsolutePath().normalize().toString()));
    }
    line("  samples: " + data.samples());
    line("  length: " + data.length());
    line("  seed: " + data.seed());
  }

  private static String list(List<String> texts) {
    return texts.stream().map(RecipeWriter::quoted).collect(Collectors.joining(", ", "[", "]"));
  }

  /** Plain where no reader could take it for anything else, else in double quotes. */
  private static String quoted(String text) {
    if (text.matches("[A-Za-z_/][A-Za-z0-9_./-]*") && !text.equalsIgnoreCase("null")) {
      return text;
    }
    StringBuilder quoted = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            c -> {
              if (c == '"' || c == '\\') {
                quoted.append('\\').appendCodePoint(c);
              } else if (c < ' ' || c == 127 || c > 0xFFFF || c >= 0x80 && c < 0xA0) {
                quoted.append("\\U%08X".formatted(c));
              } else {
                quoted.appendCodePoint(c);
              }
            });
    return quoted.append('"').toString();
  }
}
