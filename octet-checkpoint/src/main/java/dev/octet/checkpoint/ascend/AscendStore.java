package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes what msModelSlim writes, in the profile that both MindIE and vllm-ascend read: {@code
 * quant_model_weights*.safetensors} and {@code quant_model_description.json} with a version, one
 * tag a tensor, symmetric dynamic weights, {@code deq_scale} in F32 for BF16 models and as bits in
 * I64 for others, {@code fa_*} as [heads, 1].
 *
 * <p>Both readers fuse q, k and v of a layer, and gate and up, so each of these must have one tag;
 * and they know one group size for the whole model.
 */
public final class AscendStore implements LayerStore {
  /** {@code model_quant_type} of a mixed model is the last of these that it holds. */
  private static final List<String> HEADLINES =
      List.of(
          "FLOAT",
          "W8A16",
          "W4A16",
          "W8A8_DYNAMIC",
          "W8A8_MIX",
          "W8A8",
          "WFP8AFP8_DYNAMIC",
          "W4A4_DYNAMIC");

  private static final List<List<String>> FUSED =
      List.of(
          List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
          List.of("mlp.gate_proj", "mlp.up_proj"));

  @Override
  public Optional<ObjectNode> scheme(
      String module, LinearWeights layer, Collection<ObjectNode> before) {
    String tag = StoredLayer.tag(module, layer);
    if (tag.equals("FLOAT")) {
      return Optional.empty();
    }
    StoredLayer.requireValues(module, layer);
    long group = StoredLayer.group(layer.weight());
    for (ObjectNode other : before) {
      requireOneGroup(module, group, other);
      requireFusable(module, tag, other);
    }
    ObjectNode scheme = Json.MAPPER.createObjectNode();
    return Optional.of(scheme.put("name", module).put("tag", tag).put("group", group));
  }

  private static void requireOneGroup(String module, long group, ObjectNode other) {
    long known = other.path("group").asLong(0);
    if (group > 0 && known > 0 && group != known) {
      throw new CheckpointException(
          "%s: has groups of %d columns, other layers of %d; Ascend's format has one size for all"
              .formatted(module, group, known));
    }
  }

  private static void requireFusable(String module, String tag, ObjectNode other) {
    String name = other.path("name").asString("");
    String known = other.path("tag").asString("");
    if (!known.equals(tag) && areFused(module, name)) {
      throw new CheckpointException(
          "%s is %s, %s is %s; Ascend's readers fuse them, so they must be one"
              .formatted(module, tag, name, known));
    }
  }

  private static boolean areFused(String one, String other) {
    for (List<String> names : FUSED) {
      for (String name : names) {
        if (one.endsWith("." + name)) {
          String layer = one.substring(0, one.length() - name.length());
          return names.stream().anyMatch(n -> other.equals(layer + n));
        }
      }
    }
    return false;
  }

  @Override
  public SortedMap<String, Tensor> tensors(String module, LinearWeights layer, DType modelType) {
    return StoredLayer.tensors(module, layer, modelType);
  }

  @Override
  public SortedMap<String, Tensor> scales(
      int layer, KvScales cache, @Nullable QueryScales query, ModelConfig config) {
    return StoredScaleTensors.of(layer, cache, query, config);
  }

  @Override
  public ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense) {
    Set<String> tags = new HashSet<>();
    long group = 0;
    for (ObjectNode scheme : schemes.values()) {
      Tag.of(scheme.path("tag").asString("")).ifPresent(tag -> tags.add(tag.label()));
      group = Math.max(group, scheme.path("group").asLong(0));
      for (String module : dense) {
        if (areFused(module, scheme.path("name").asString(""))) {
          throw new CheckpointException(
              module
                  + " is FLOAT beside quantized layers that Ascend's readers fuse it with; ignore"
                  + " q_proj, k_proj and v_proj together, and gate_proj and up_proj");
        }
      }
    }
    if (tags.contains("W4A8_DYNAMIC")) {
      tags.add("W8A8_DYNAMIC"); // the tools' own headlines know no other
    }
    String headline =
        HEADLINES.reversed().stream().filter(tags::contains).findFirst().orElse("FLOAT");
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.put("model_quant_type", headline).put("version", "1.0.0").put("group_size", group);
    json.putObject("metadata");
    json.putObject("optional");
    return json;
  }

  @Override
  public Optional<String> settingsFile() {
    return Optional.of("quant_model_description.json");
  }

  @Override
  public boolean inConfig() {
    return false;
  }

  @Override
  public String weights() {
    return "quant_model_weights";
  }

  /** The description: every tensor's tag beside the settings. */
  @Override
  public ObjectNode file(
      ObjectNode settings, SequencedMap<String, ObjectNode> schemes, Set<String> tensors) {
    for (String name : tensors) {
      String tag = tag(name, schemes);
      settings.put(name, tag);
      if (tag.equals("C8")) {
        settings.put("kv_quant_type", tag).put("kv_cache_type", tag);
      } else if (tag.equals("FAQuant")) {
        settings.put("fa_quant_type", tag);
        settings.put(name.replaceFirst("fa_[qkv]\\..*", "quant_type"), "INT8");
      }
    }
    if (settings.has("fa_quant_type") && settings.has("kv_quant_type")) {
      throw new CheckpointException("Ascend's format has attention scales or C8, not both");
    }
    return settings;
  }

  private static String tag(String tensor, SequencedMap<String, ObjectNode> schemes) {
    String module = tensor.substring(0, tensor.lastIndexOf('.'));
    String suffix = tensor.substring(tensor.lastIndexOf('.') + 1);
    if (suffix.equals("bias") || suffix.equals("mul_scale") || suffix.startsWith("svd_")) {
      return "FLOAT";
    }
    if (suffix.startsWith("kv_cache_")) {
      return "C8";
    }
    if (module.matches(".*\\.fa_[qkv]")) {
      return "FAQuant";
    }
    String layer = module.endsWith(".linear") ? module.substring(0, module.length() - 7) : module;
    ObjectNode scheme = schemes.get(layer);
    return scheme == null ? "FLOAT" : scheme.path("tag").asString("FLOAT");
  }
}
