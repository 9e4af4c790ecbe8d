package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Static scales of the KV cache, under the names that vLLM's loaders know: {@code
 * self_attn.k_scale}, {@code self_attn.k_proj.k_scale}, {@code self_attn.attn.k_scale}, {@code
 * self_attn.qkv_proj.k_scale}, the same for v and for the queries of quantized attention, {@code
 * k_proj.output_scale} of older releases, and the old {@code self_attn.kv_scale} for both. INT8 may
 * have a {@code k_zero_point} beside {@code k_scale}.
 */
public final class CacheScales {
  private static final float[] NONE = {};
  private static final Set<DType> ZEROS = EnumSet.of(DType.I8, DType.I16, DType.I32);

  private final @Nullable DType type;
  private final boolean declared;
  private final ModelConfig config;
  private final StoredTensors tensors;

  /**
   * Checks the scales of all layers now, so that none is refused in the middle of loading.
   *
   * @param type what the cache holds, I8 or F8_E4M3; null: its scales, if any, do not count
   * @param declared whether the settings say so, or only scales would
   */
  public CacheScales(
      @Nullable DType type, boolean declared, ModelConfig config, StoredTensors tensors) {
    this.type = type;
    this.declared = declared;
    this.config = config;
    this.tensors = tensors;
    for (int layer = 0; layer < config.layers(); layer++) {
      of(layer);
      query(layer);
    }
  }

  /**
   * A layer's scales; empty if the cache is not quantized or its scales come at run time. Where an
   * FP8 cache is declared without scales they are 1.0, as vLLM has it: keys and values are far
   * below 448. In INT8 that would round them to whole numbers, so there it is not quantized.
   */
  public Optional<KvScales> of(int layer) {
    if (type == null) {
      return Optional.empty();
    }
    String key = find(layer, "k");
    String value = find(layer, "v");
    if (key == null && value == null) {
      return declared && type == DType.F8_E4M3
          ? Optional.of(new KvScales(type, new float[] {1}, new float[] {1}))
          : Optional.empty();
    }
    if (key == null || value == null) {
      String there = key == null ? value : key;
      throw tensors.problem(
          String.valueOf(there), "is there, but its counterpart for k or v is not");
    }
    int heads = config.kvHeads();
    return Optional.of(
        new KvScales(type, read(key, heads), read(value, heads), zeros(key), zeros(value)));
  }

  /** Scales of a layer's queries, where attention itself is quantized. */
  public Optional<QueryScales> query(int layer) {
    if (type == null) {
      return Optional.empty();
    }
    String name = find(layer, "q");
    return name == null
        ? Optional.empty()
        : Optional.of(new QueryScales(type, read(name, config.heads()), zeros(name)));
  }

  /** Where declaration and scales do not go together, a sentence each. */
  public List<String> problems() {
    List<String> problems = new ArrayList<>();
    int layers = config.layers();
    int stored = 0;
    for (int layer = 0; layer < layers; layer++) {
      stored += find(layer, "k") != null || find(layer, "v") != null ? 1 : 0;
    }
    if (type == null && stored > 0) {
      problems.add(
          "%d of %d layers store cache scales, but no setting declares a static cache: not used"
              .formatted(stored, layers));
    } else if (declared && stored < layers) {
      problems.add(
          "the settings declare a cache in %s, but %d of %d layers store no scales for it: %s"
              .formatted(
                  type == DType.I8 ? "int8" : "fp8_e4m3",
                  layers - stored,
                  layers,
                  type == DType.I8 ? "there it is not quantized" : "they are taken as 1.0"));
    }
    return problems;
  }

  private @Nullable String find(int layer, String letter) {
    String attention = "model.layers." + layer + ".self_attn.";
    String scale = letter + "_scale";
    for (String name :
        List.of(
            scale,
            letter + "_proj." + scale,
            letter + "_proj.output_scale",
            "attn." + scale,
            "qkv_proj." + scale,
            "kv_scale")) {
      boolean both = name.equals("kv_scale") && letter.equals("q");
      boolean output = name.endsWith("output_scale") && letter.equals("q");
      if (!both && !output && tensors.has(attention + name)) {
        return attention + name;
      }
    }
    return null;
  }

  private float[] read(String name, int heads) {
    Tensor scale = tensors.get(name);
    requireFitting(name, scale, heads, DenseFormat.FLOATS);
    StoredScales.requirePositive(tensors, name, scale);
    return scale.toFloats();
  }

  private void requireFitting(String name, Tensor tensor, int heads, Set<DType> types) {
    long n = tensor.size();
    long channels = (long) heads * config.headDim();
    if (!types.contains(tensor.dtype()) || (n != 1 && n != heads && n != channels)) {
      throw tensors.problem(
          name,
          "is %s: expected 1, %d or %d %s"
              .formatted(
                  tensor, heads, channels, types.contains(DType.I8) ? "integers" : "floats"));
    }
  }

  /** The zero point beside a scale; empty if there is none, or nothing but 0. */
  private float[] zeros(String scale) {
    String name = scale.replaceFirst("_scale$", "_zero_point");
    if (!tensors.has(name)) {
      return NONE;
    }
    Tensor stored = tensors.get(name);
    boolean floats = type != DType.I8 && stored.dtype().decodable();
    int heads = Math.toIntExact(tensors.get(scale).size());
    requireFitting(name, stored, heads, floats ? Set.of(stored.dtype()) : ZEROS);
    float[] zeros = stored.toFloats();
    boolean allZero = true;
    for (int i = 0; i < zeros.length; i++) {
      allZero &= zeros[i] == 0;
      if (!(zeros[i] >= -128 && zeros[i] <= 127) || type != DType.I8 && zeros[i] != 0) {
        throw tensors.problem(
            name,
            "holds %s at index %d; %s"
                .formatted(zeros[i], i, type == DType.I8 ? "no int8" : "FP8 has no zero points"));
      }
    }
    return allZero ? NONE : zeros;
  }
}
