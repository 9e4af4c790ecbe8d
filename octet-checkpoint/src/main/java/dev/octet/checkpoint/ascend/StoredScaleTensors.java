package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A layer's scales as the format stores them: FAQuant where queries have some, C8 where only the
 * cache has. The inverse of {@link AttentionScales}.
 */
public final class StoredScaleTensors {
  private final ModelConfig config;
  private final SortedMap<String, Tensor> tensors = new TreeMap<>();

  private StoredScaleTensors(ModelConfig config) {
    this.config = config;
  }

  /** The tensors by their full names. */
  public static SortedMap<String, Tensor> of(
      int layer, KvScales cache, @Nullable QueryScales query, ModelConfig config) {
    StoredScaleTensors stored = new StoredScaleTensors(config);
    String attention = "model.layers." + layer + ".self_attn.";
    if (query == null) {
      stored.c8(attention, cache);
    } else if (query.type() != DType.I8 || cache.type() != DType.I8) {
      throw new CheckpointException(attention + ": only INT8 scales of attention are written");
    } else {
      stored.attention(attention + "fa_q", query.type(), query.scale(), query.offset(), true);
      stored.attention(attention + "fa_k", cache.type(), cache.key(), cache.keyOffset(), false);
      stored.attention(attention + "fa_v", cache.type(), cache.value(), cache.valueOffset(), false);
    }
    return stored.tensors;
  }

  /** Per channel, whatever the scales were. */
  private void c8(String attention, KvScales cache) {
    if (cache.type() != DType.I8) {
      throw new CheckpointException(
          attention + ": Ascend's format has INT8 caches, not " + cache.type());
    }
    int n = config.kvHeads() * config.headDim();
    tensors.put(attention + "k_proj.kv_cache_scale", floats(cache.key(), n, n));
    tensors.put(attention + "k_proj.kv_cache_offset", floats(cache.keyOffset(), n, n));
    tensors.put(attention + "v_proj.kv_cache_scale", floats(cache.value(), n, n));
    tensors.put(attention + "v_proj.kv_cache_offset", floats(cache.valueOffset(), n, n));
  }

  /** [heads, 1], or [heads, head_dim] where a channel has its own; offsets I8 with INT8. */
  private void attention(String name, DType type, float[] scale, float[] offset, boolean queries) {
    int heads = queries ? config.heads() : config.kvHeads();
    int width = Math.max(scale.length, offset.length) > heads ? config.headDim() : 1;
    tensors.put(name + ".scale", floats(scale, heads * width, heads, width));
    Tensor offsets = floats(offset, heads * width, heads, width);
    tensors.put(name + ".offset", type == DType.I8 ? integers(offsets) : offsets);
  }

  /** Repeats what is given for one or for each head. */
  private static Tensor floats(float[] given, int count, long... shape) {
    float[] all = new float[count];
    for (int i = 0; i < count; i++) {
      all[i] = given.length == 0 ? 0 : given[(int) ((long) i * given.length / count)];
    }
    return Tensor.ofFloats(all, shape);
  }

  private static Tensor integers(Tensor floats) {
    Tensor whole = floats.to(DType.I8, Arena.ofAuto());
    for (long i = 0; i < floats.size(); i++) {
      if (whole.getFloat(i) != floats.getFloat(i)) {
        return floats;
      }
    }
    return whole;
  }
}
