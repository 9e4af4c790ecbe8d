package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Writes compressed-tensors: any mixture of forms, one of {@code config_groups} for each. */
public final class CompressedTensorsStore implements LayerStore {
  /** The release whose layout is written. */
  private static final String VERSION = "0.12.2";

  @Override
  public Optional<ObjectNode> scheme(
      String module, LinearWeights layer, Collection<ObjectNode> before) {
    return Scheme.of(module, layer);
  }

  @Override
  public SortedMap<String, Tensor> tensors(String module, LinearWeights layer, DType modelType) {
    return StoredLayer.tensors(module, layer, modelType);
  }

  /**
   * One group for every scheme; the most frequent one takes the class, the others names. A
   * quantized {@code lm_head} is named in any case: in vLLM it is of another class.
   */
  @Override
  public ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense) {
    Map<ObjectNode, List<String>> groups = new LinkedHashMap<>();
    Map<String, Integer> turned = new LinkedHashMap<>();
    schemes.forEach(
        (module, scheme) -> {
          ObjectNode group = scheme.deepCopy();
          JsonNode order = group.remove(Scheme.INPUT_HADAMARD);
          if (order != null) {
            turned.put(module, order.asInt());
          }
          groups.computeIfAbsent(group, s -> new ArrayList<>()).add(module);
        });
    List<Map.Entry<ObjectNode, List<String>>> sorted = new ArrayList<>(groups.entrySet());
    sorted.sort((a, b) -> Integer.compare(b.getValue().size(), a.getValue().size()));
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.put("quant_method", "compressed-tensors").put("version", VERSION);
    json.put("format", format(sorted)).put("quantization_status", "compressed");
    json.putNull("global_compression_ratio").putNull("kv_cache_scheme");
    ObjectNode all = json.putObject("config_groups");
    for (int i = 0; i < sorted.size(); i++) {
      ObjectNode group = all.putObject("group_" + i);
      var targets = group.putArray("targets");
      if (i == 0) {
        targets.add("Linear");
        if (sorted.get(i).getValue().contains(ModelLayout.LM_HEAD)) {
          targets.add(ModelLayout.LM_HEAD);
        }
      } else {
        sorted.get(i).getValue().forEach(targets::add);
      }
      group.setAll(sorted.get(i).getKey());
    }
    var ignored = json.putArray("ignore");
    dense.forEach(ignored::add);
    if (!turned.isEmpty()) {
      json.set("transform_config", InputTransforms.config(turned));
    }
    return json;
  }

  @Override
  public SortedMap<String, Tensor> scales(
      int layer, KvScales cache, @Nullable QueryScales query, ModelConfig config) {
    cacheScheme(layer, cache, query, config);
    String attention = "model.layers." + layer + ".self_attn.";
    SortedMap<String, Tensor> tensors = new TreeMap<>();
    tensors.put(attention + "k_scale", scale(cache.key()));
    tensors.put(attention + "v_scale", scale(cache.value()));
    return tensors;
  }

  /** [1], or [heads, 1, 1], as vLLM's attention layers have them. */
  private static Tensor scale(float[] scales) {
    return scales.length == 1
        ? Tensor.ofFloats(scales, 1)
        : Tensor.ofFloats(scales, scales.length, 1, 1);
  }

  @Override
  public Optional<ObjectNode> cacheScheme(
      int layer, KvScales cache, @Nullable QueryScales query, ModelConfig config) {
    if (query != null) {
      throw scaleProblem(layer, "queries have scales, which are written as ascend only");
    }
    if (cache.keyOffset().length > 0 || cache.valueOffset().length > 0) {
      throw scaleProblem(layer, "the cache has offsets, which are written as ascend only");
    }
    int n = cache.key().length;
    if (n != cache.value().length || n != 1 && n != config.kvHeads()) {
      throw scaleProblem(
          layer,
          "the cache has a scale a channel; here it is one for all or one a head, else ascend");
    }
    return Optional.of(Scheme.cache(cache.type(), n == 1));
  }

  private static CheckpointException scaleProblem(int layer, String what) {
    return new CheckpointException(
        "layer %d: compressed-tensors has no form for this: %s".formatted(layer, what));
  }

  @Override
  public void addCacheScheme(ObjectNode settings, ObjectNode scheme) {
    settings.set("kv_cache_scheme", scheme);
  }

  private static String format(List<Map.Entry<ObjectNode, List<String>>> sorted) {
    return switch (sorted.size()) {
      case 0 -> "dense";
      case 1 -> sorted.getFirst().getKey().get("format").asString();
      default -> "mixed-precision";
    };
  }
}
