package dev.octet.checkpoint.modelopt;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.tensor.DType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
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

  private final @Nullable Layer overall;
  private final Map<String, Layer> layers = new HashMap<>();
  private final @Nullable DType cache;

  ModelOptSettings(Fields f) {
    this.cache = cache(f);
    if (!f.text("quant_algo").orElse("").equalsIgnoreCase("MIXED_PRECISION")) {
      this.overall = layer(f);
      return;
    }
    this.overall = null;
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

  /** The cache's type, by an object with {@code num_bits} and {@code type} or by a name. */
  private static @Nullable DType cache(Fields f) {
    if (f.isFilled("kv_cache_scheme")) {
      Fields scheme = f.object("kv_cache_scheme").orElseThrow();
      if (scheme.integer("num_bits", 1, 32).orElse(8) != 8) {
        throw scheme.unsupported("num_bits", "is not 8: only 8-bit caches are supported");
      }
      return scheme.text("type").orElse("float").equals("float") ? DType.F8_E4M3 : DType.I8;
    }
    String name = f.text("kv_cache_quant_algo").orElse("none");
    return switch (name) {
      case "none", "None", "NONE" -> null;
      case "FP8" -> DType.F8_E4M3;
      case "INT8" -> DType.I8;
      default ->
          throw f.unsupported(
              "kv_cache_quant_algo", "is '%s'; supported are FP8 and INT8".formatted(name));
    };
  }

  /** What the cache holds, or null. */
  @Nullable DType cache() {
    return cache;
  }

  /** How a layer would be quantized; empty for one that a mixture does not list. */
  Optional<Layer> of(String module) {
    return Optional.ofNullable(overall == null ? layers.get(module) : overall);
  }

  String name() {
    return overall == null ? "modelopt (mixed)" : "modelopt (" + overall.algorithm + ")";
  }
}
