package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Static scales of the KV cache, under the names that vLLM's loaders know: {@code
 * self_attn.k_scale}, {@code self_attn.k_proj.k_scale}, {@code self_attn.attn.k_scale}, {@code
 * self_attn.qkv_proj.k_scale}, the same for v, {@code k_proj.output_scale} of older releases, and
 * the old {@code self_attn.kv_scale} for both.
 */
public final class CacheScales {
  private final @Nullable DType type;
  private final ModelConfig config;
  private final StoredTensors tensors;

  /**
   * Checks the scales of all layers now, so that none is refused in the middle of loading.
   *
   * @param type what the cache holds, I8 or F8_E4M3; null: its scales, if any, do not count
   */
  public CacheScales(@Nullable DType type, ModelConfig config, StoredTensors tensors) {
    this.type = type;
    this.config = config;
    this.tensors = tensors;
    for (int layer = 0; layer < config.layers(); layer++) {
      of(layer);
    }
  }

  /** A layer's scales; empty if the cache is not quantized or its scales come at run time. */
  public Optional<KvScales> of(int layer) {
    if (type == null) {
      return Optional.empty();
    }
    String attention = "model.layers." + layer + ".self_attn.";
    String key = find(attention, "k");
    String value = find(attention, "v");
    if (key == null && value == null) {
      return Optional.empty();
    }
    if (key == null || value == null) {
      String there = key == null ? value : key;
      throw tensors.problem(
          String.valueOf(there), "is there, but its counterpart for k or v is not");
    }
    return Optional.of(new KvScales(type, read(key), read(value)));
  }

  private @Nullable String find(String attention, String letter) {
    String scale = letter + "_scale";
    for (String name :
        List.of(
            scale,
            letter + "_proj." + scale,
            letter + "_proj.output_scale",
            "attn." + scale,
            "qkv_proj." + scale,
            "kv_scale")) {
      if (tensors.has(attention + name)) {
        return attention + name;
      }
    }
    return null;
  }

  private float[] read(String name) {
    Tensor scale = tensors.get(name);
    long heads = config.kvHeads();
    long n = scale.size();
    if (!DenseFormat.FLOATS.contains(scale.dtype())
        || (n != 1 && n != heads && n != heads * config.headDim())) {
      throw tensors.problem(
          name,
          "is %s: expected 1, %d or %d floats".formatted(scale, heads, heads * config.headDim()));
    }
    StoredScales.requirePositive(tensors, name, scale);
    return scale.toFloats();
  }
}
