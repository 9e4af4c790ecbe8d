package dev.octet.checkpoint.modelopt;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.DType;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The {@code quantization} object of hf_quant_config.json, or the {@code quantization_config} of a
 * newer config.json, which has the same fields.
 */
final class ModelOptSettings {
  private static final int DEFAULT_GROUP = 128;

  /**
   * How a layer is quantized.
   *
   * @param group inputs of a group of INT4; −1: all
   */
  record Layer(Algorithm algorithm, int group) {
    long columns(long k) {
      return group == -1 ? Math.max(1, k) : group;
    }
  }

  /** What older exports say where only the cache is quantized. */
  private static final Set<String> NOTHING = Set.of("", "none", "no_quant");

  private final @Nullable Layer overall;
  private final Map<String, Layer> layers = new HashMap<>();
  private final String foreignCache;
  private final @Nullable DType cache;
  private final String name;

  ModelOptSettings(Fields f) {
    this.foreignCache = foreignCache(f);
    this.cache = foreignCache.isEmpty() ? cache(f) : null;
    String algorithm = f.text("quant_algo").orElse("").toLowerCase(Locale.ROOT);
    boolean cached = cache != null || !foreignCache.isEmpty();
    boolean mixed = algorithm.equals("mixed_precision");
    this.overall = mixed || cached && NOTHING.contains(algorithm) ? null : layer(f);
    this.name = overall != null ? overall.algorithm.toString() : mixed ? "mixed" : "cache only";
    if (!mixed) {
      return;
    }
    Fields all =
        f.object("quantized_layers").orElseThrow(() -> f.problem("quantized_layers", "is missing"));
    for (String name : all.names()) {
      Fields fields = all.object(name).orElseThrow(() -> all.problem(name, "must be an object"));
      layers.put(name, layer(fields));
    }
  }

  private static Layer layer(Fields f) {
    int group = f.integer("group_size", -1, Integer.MAX_VALUE).orElse(DEFAULT_GROUP);
    if (group == 0) {
      throw f.problem("group_size", "is 0: it must be -1 or at least 1");
    }
    return new Layer(Algorithm.of(f), group);
  }

  /** A type of cache that is not computed, in words; empty if there is none. */
  private static String foreignCache(Fields f) {
    if (f.isFilled("kv_cache_scheme")) {
      Fields scheme = f.object("kv_cache_scheme").orElseThrow();
      int bits = scheme.integer("num_bits", 1, 32).orElse(8);
      return bits == 8 ? "" : bits + "-bit " + scheme.text("type").orElse("float");
    }
    String algorithm = f.text("kv_cache_quant_algo").orElse("");
    return algorithm.startsWith("NVFP4") ? Texts.printable(algorithm) : "";
  }

  /** The cache's type, by an object with {@code num_bits} and {@code type} or by a name. */
  private static @Nullable DType cache(Fields f) {
    if (f.isFilled("kv_cache_scheme")) {
      Fields scheme = f.object("kv_cache_scheme").orElseThrow();
      return scheme.text("type").orElse("float").equals("float") ? DType.F8_E4M3 : DType.I8;
    }
    String name = f.text("kv_cache_quant_algo").orElse("none");
    return switch (name) {
      case "none", "None", "NONE" -> null;
      case "FP8" -> DType.F8_E4M3;
      case "INT8" -> DType.I8;
      default ->
          throw f.unsupported(
              "kv_cache_quant_algo", "is '%s'; known are FP8, INT8 and NVFP4".formatted(name));
    };
  }

  /** What the cache holds, or null. */
  @Nullable DType cache() {
    return cache;
  }

  /** What is declared of the cache and not computed. */
  List<String> problems() {
    return foreignCache.isEmpty()
        ? List.of()
        : List.of(
            "the settings declare a cache in %s, which is not computed: it is not quantized"
                .formatted(foreignCache));
  }

  /** How a layer would be quantized; empty for one that a mixture does not list. */
  Optional<Layer> of(String module) {
    return Optional.ofNullable(overall == null ? layers.get(module) : overall);
  }

  String name() {
    return "modelopt (" + name + ")";
  }
}
