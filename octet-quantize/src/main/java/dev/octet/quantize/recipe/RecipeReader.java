package dev.octet.quantize.recipe;

import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.quantize.GgufQuantizer;
import dev.octet.quantize.GgufTarget;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizeOptions.LayerRule;
import dev.octet.quantize.calibrate.AttentionQuant;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.method.ActOrder;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.method.HqqOptions;
import dev.octet.quantize.method.Smoothing;
import dev.octet.quantize.observe.ObserverSpec;
import dev.octet.quantize.rotate.RotationOptions;
import dev.octet.tensor.Clipping;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScaleGranularity;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Makes a recipe of a YAML document; what it does not know, it refuses. */
final class RecipeReader {
  private static final List<String> TOP =
      List.of(
          "scheme", "group-size", "lm-head", "ignore", "layers", "steps", "calibration", "format");

  private static final List<String> STEPS =
      List.of(
          "rotation",
          "smoothquant",
          "awq",
          "rtn",
          "gptq",
          "hqq",
          "static-inputs",
          "faquant",
          "c8",
          "kv-fp8");

  private static final String GGUF = "gguf";

  /** Without any of these GGUF rounds in its own way. */
  private static final List<String> STEPPING =
      List.of("group-size", "lm-head", "layers", "steps", "calibration");

  private static final int SMOOTHING = 2;
  private static final int ROUNDING = 3;
  private static final int INPUTS = 4;

  private static final int MAX_GROUP = 1 << 20;

  private final String where;
  private final Path file;

  /** Of the step at each place in the order. */
  private final Map<Integer, Integer> lines = new HashMap<>();

  private @Nullable RotationOptions rotation;
  private @Nullable Smoothing smoothing;
  private @Nullable Rounding rounding;
  private @Nullable ObserverSpec inputs;
  private @Nullable AttentionQuant attention;
  private @Nullable GgufType outer;
  private boolean gguf;

  /**
   * @param where names the document in errors
   * @param file relative paths count from its folder
   */
  RecipeReader(String where, Path file) {
    this.where = where;
    this.file = file;
  }

  RecipeDocument read(Yaml root) {
    YamlFields top = fields("the recipe", root, TOP);
    gguf = top.text("format").filter(GGUF::equalsIgnoreCase).isPresent();
    if (gguf && STEPPING.stream().allMatch(key -> top.value(key) == null)) {
      Optional<GgufType> own = top.text("scheme").flatMap(RecipeReader::own);
      if (own.isPresent()) {
        return new GgufRecipe(own.get(), patterns(top, "ignore", top.texts("ignore")));
      }
    }
    return steppingRecipe(top);
  }

  /** The type that GGUF's own rounding makes. */
  private static Optional<GgufType> own(String scheme) {
    boolean known = GgufQuantizer.names().contains(scheme.toLowerCase(Locale.ROOT));
    return known ? Optional.of(GgufQuantizer.type(scheme)) : Optional.empty();
  }

  private RecipeFile steppingRecipe(YamlFields top) {
    QuantizeOptions options =
        withHead(
            top, new QuantizeOptions(scheme(top), ignored(top)).with(rules(top.value("layers"))));
    steps(top);
    WriteFormat format =
        top.parsed("format", RecipeReader::format).orElse(WriteFormat.COMPRESSED_TENSORS);
    CalibrationData calibration = calibration(top.value("calibration"));
    Rounding weights = rounding;
    if (weights == null) {
      weights =
          smoothing instanceof Smoothing.Awq
              ? new Rounding.Clipped(Clipping.SEARCH)
              : new Rounding.Nearest();
    }
    try {
      Recipe recipe = new Recipe(rotation, smoothing, weights, inputs, attention, options);
      requireUse(top.value("calibration"), recipe);
      return new RecipeFile(recipe, calibration, format, outer);
    } catch (IllegalArgumentException e) {
      throw unsuited(e, top);
    }
  }

  /** A text that nobody looks at is a misunderstanding, as on the command line. */
  private void requireUse(@Nullable Yaml calibration, Recipe recipe) {
    if (calibration != null && !recipe.calibrates()) {
      throw problem(
          calibration.line(),
          "calibration: no step looks at a text; smoothquant, awq, gptq, rtn with a clip,"
              + " static-inputs, faquant, c8 and kv-fp8 do");
    }
  }

  private static WriteFormat format(String name) {
    if (name.equalsIgnoreCase(GGUF)) {
      return WriteFormat.COMPRESSED_TENSORS; // what layers are stored in on their way
    }
    try {
      return WriteFormat.of(name);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(e.getMessage() + ", " + GGUF, e);
    }
  }

  private YamlFields fields(String what, Yaml node, List<String> known) {
    if (node instanceof Yaml.Keys keys) {
      return new YamlFields(where, what, keys, known);
    }
    throw problem(node.line(), what + " must have keys: " + String.join(", ", known));
  }

  private IllegalArgumentException problem(int line, String what) {
    return RecipeProblem.at(where, line, what);
  }

  private QuantScheme scheme(YamlFields fields) {
    OptionalLong group = fields.integer("group-size", 1, MAX_GROUP);
    QuantScheme scheme =
        fields
            .parsed("scheme", name -> gguf ? ofGguf(name, group) : QuantScheme.of(name))
            .orElseThrow(
                () -> problem(fields.line(), "a scheme is missing, such as 'scheme: w8a8'"));
    if (group.isEmpty() || gguf) {
      return scheme;
    }
    if (scheme.granularity() != ScaleGranularity.GROUP) {
      throw problem(fields.line("group-size"), "group-size: " + scheme.name() + " has no groups");
    }
    return scheme.withGroup((int) group.getAsLong());
  }

  /** The first, which is for all layers, decides what embedding and output become. */
  private QuantScheme ofGguf(String name, OptionalLong group) {
    GgufTarget target = GgufTarget.named(name, (int) group.orElse(0));
    outer = outer == null ? target.outer() : outer;
    return target.scheme();
  }

  private QuantizeOptions withHead(YamlFields top, QuantizeOptions options) {
    Optional<QuantScheme> head = top.parsed("lm-head", QuantScheme::of);
    if (gguf && head.isPresent()) {
      throw problem(
          top.line("lm-head"), "lm-head: a GGUF's output layer has its own rule; leave it out");
    }
    try {
      return head.map(options::withHead).orElse(options);
    } catch (IllegalArgumentException e) {
      throw problem(top.line("lm-head"), "lm-head: " + e.getMessage());
    }
  }

  /** GGUF's output layer is nobody's business. */
  private List<String> ignored(YamlFields top) {
    if (gguf) {
      return QuantizeOptions.of(QuantScheme.W8A16)
          .ignoring(patterns(top, "ignore", top.texts("ignore")))
          .ignore();
    }
    return top.value("ignore") == null
        ? QuantizeOptions.DEFAULT_IGNORE
        : patterns(top, "ignore", top.texts("ignore"));
  }

  private List<String> patterns(YamlFields fields, String key, List<String> patterns) {
    try {
      return new QuantizeOptions(QuantScheme.W8A8, patterns).ignore();
    } catch (IllegalArgumentException e) {
      throw problem(fields.line(key), key + ": " + e.getMessage());
    }
  }

  private List<LayerRule> rules(@Nullable Yaml layers) {
    List<LayerRule> rules = new ArrayList<>();
    for (Yaml item : layers == null ? List.<Yaml>of() : YamlFields.items(layers)) {
      YamlFields rule = fields("a rule", item, List.of("targets", "scheme", "group-size"));
      List<String> targets = patterns(rule, "targets", rule.texts("targets"));
      if (targets.isEmpty()) {
        throw problem(item.line(), "targets are missing, such as 'targets: [\"*.down_proj\"]'");
      }
      rules.add(new LayerRule(targets, scheme(rule)));
    }
    return rules;
  }

  private CalibrationData calibration(@Nullable Yaml node) {
    if (node == null) {
      return CalibrationData.USUAL;
    }
    YamlFields data = fields("calibration", node, List.of("text", "samples", "length", "seed"));
    CalibrationData usual = CalibrationData.USUAL;
    return new CalibrationData(
        data.parsed("text", this::path).orElse(null),
        (int) data.integer("samples", 1, Integer.MAX_VALUE).orElse(usual.samples()),
        (int) data.integer("length", 2, Integer.MAX_VALUE).orElse(usual.length()),
        data.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE).orElse(usual.seed()));
  }

  private Path path(String text) {
    try {
      return file.resolveSibling(text);
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("'" + text + "' is no path", e);
    }
  }

  private void steps(YamlFields top) {
    Yaml list = top.value("steps");
    int last = 0;
    for (Yaml item : list == null ? List.<Yaml>of() : YamlFields.items(list)) {
      Map.Entry<String, Yaml> step = step(item);
      int stage = step(step.getKey(), item.line(), step.getValue());
      if (stage <= last) {
        throw problem(
            item.line(),
            step.getKey()
                + " comes too late or twice: first rotation, then smoothquant or awq, then gptq, hqq or rtn,"
                + " then static-inputs, then faquant, c8 or kv-fp8");
      }
      last = stage;
      lines.put(stage, item.line());
    }
  }

  /** A name, or a name with its options. */
  private Map.Entry<String, Yaml> step(Yaml item) {
    Yaml none = new Yaml.Keys(item.line(), new LinkedHashMap<>());
    if (item instanceof Yaml.Text(_, String name)) {
      return Map.entry(name, none);
    }
    if (item instanceof Yaml.Keys(_, var entries) && entries.size() == 1) {
      Map.Entry<String, Yaml> only = entries.firstEntry();
      return only.getValue() instanceof Yaml.Nothing ? Map.entry(only.getKey(), none) : only;
    }
    throw problem(item.line(), "a step is a name, or a name with its options");
  }

  /** Takes note of a step; returns its place in the order. */
  private int step(String name, int line, Yaml options) {
    return switch (name) {
      case "rotation" -> {
        YamlFields f = fields(name, options, List.of("seed", "online"));
        rotation =
            new RotationOptions(
                f.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE).orElse(0),
                f.flag("online", false));
        yield 1;
      }
      case "smoothquant" -> {
        YamlFields f = fields(name, options, List.of("alpha"));
        smoothing =
            new Smoothing.SmoothQuant(f.parsed("alpha", RecipeNames::alpha).orElse(Double.NaN));
        yield SMOOTHING;
      }
      case "awq" -> {
        fields(name, options, List.of());
        smoothing = new Smoothing.Awq();
        yield SMOOTHING;
      }
      case "rtn", "gptq", "hqq" -> {
        rounding = rounding(name, line, options);
        yield ROUNDING;
      }
      case "static-inputs" -> {
        inputs = observer(fields(name, options, List.of("observer")));
        yield INPUTS;
      }
      case "faquant", "c8", "kv-fp8" -> {
        attention = attention(name, line, options);
        yield 5;
      }
      default ->
          throw problem(
              line, "unknown step '%s'; known are %s".formatted(name, String.join(", ", STEPS)));
    };
  }

  private Rounding rounding(String name, int line, Yaml options) {
    try {
      return switch (name) {
        case "gptq" -> gptq(fields(name, options, List.of("act-order", "damping", "clip")));
        case "hqq" -> hqq(fields(name, options, List.of("iterations", "norm", "beta", "growth")));
        default -> nearest(fields(name, options, List.of("clip")));
      };
    } catch (IllegalArgumentException e) {
      throw named(line, e);
    }
  }

  /**
   * What does not suit the scheme, at the line of its step: of inputs, or of what rounds, which awq
   * decides alone where no other step does.
   */
  private IllegalArgumentException unsuited(IllegalArgumentException e, YamlFields top) {
    String message = String.valueOf(e.getMessage());
    if (message.startsWith(where)) {
      return e;
    }
    int rounding = lines.containsKey(ROUNDING) ? ROUNDING : SMOOTHING;
    int line =
        lines.getOrDefault(message.startsWith("static-inputs") ? INPUTS : rounding, top.line());
    return problem(line, message.replaceFirst("^method ", "")); // recipes have steps
  }

  /** With the line in front, if it is not there yet. */
  private IllegalArgumentException named(int line, IllegalArgumentException e) {
    String message = String.valueOf(e.getMessage());
    return message.startsWith(where) ? e : problem(line, message);
  }

  private static Rounding gptq(YamlFields f) {
    GptqOptions usual = GptqOptions.DEFAULT;
    return new Rounding.Compensated(
        new GptqOptions(
            f.parsed("act-order", RecipeReader::order).orElse(usual.order()),
            f.number("damping").orElse(usual.damping()),
            f.parsed("clip", RecipeNames::clipping).orElse(usual.clipping())));
  }

  private static ActOrder order(String text) {
    return Arrays.stream(ActOrder.values())
        .filter(o -> o.name().equals(text.toUpperCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "'%s'; choose one of %s"
                        .formatted(
                            text,
                            Arrays.stream(ActOrder.values())
                                .map(o -> o.name().toLowerCase(Locale.ROOT))
                                .collect(Collectors.joining(", ")))));
  }

  private static Rounding hqq(YamlFields f) {
    HqqOptions usual = HqqOptions.DEFAULT;
    return new Rounding.HalfQuadratic(
        new HqqOptions(
            (int) f.integer("iterations", 1, 10_000).orElse(usual.iterations()),
            f.number("norm").orElse(usual.norm()),
            f.number("beta").orElse(usual.beta()),
            f.number("growth").orElse(usual.growth())));
  }

  private static Rounding nearest(YamlFields f) {
    Clipping clipping = f.parsed("clip", RecipeNames::clipping).orElse(Clipping.NONE);
    return clipping.equals(Clipping.NONE) ? new Rounding.Nearest() : new Rounding.Clipped(clipping);
  }

  private AttentionQuant attention(String name, int line, Yaml options) {
    if (gguf) {
      throw problem(line, name + ": GGUF holds no scales of attention or cache; leave it out");
    }
    try {
      return switch (name) {
        case "faquant" -> faQuant(fields(name, options, List.of("query", "key", "value")));
        case "c8" -> {
          YamlFields f = fields(name, options, List.of("observer", "offsets"));
          yield new AttentionQuant.C8(observer(f), f.flag("offsets", false));
        }
        default -> {
          YamlFields f = fields(name, options, List.of("scales", "observer"));
          yield new AttentionQuant.KvFp8(
              f.parsed("scales", RecipeReader::perHead).orElse(false), observer(f));
        }
      };
    } catch (IllegalArgumentException e) {
      throw named(line, e);
    }
  }

  private static AttentionQuant faQuant(YamlFields f) {
    AttentionQuant.FaQuant usual = AttentionQuant.FaQuant.USUAL;
    return new AttentionQuant.FaQuant(
        f.number("query").orElse(usual.query()),
        f.number("key").orElse(usual.key()),
        f.number("value").orElse(usual.value()));
  }

  private static boolean perHead(String text) {
    return switch (text) {
      case "tensor" -> false;
      case "head" -> true;
      default -> throw new IllegalArgumentException("must be tensor or head, not " + text);
    };
  }

  private static ObserverSpec observer(YamlFields f) {
    return f.parsed("observer", ObserverSpec::of).orElse(ObserverSpec.MIN_MAX);
  }
}
