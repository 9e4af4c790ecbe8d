package dev.octet.checkpoint.gptq;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.checkpoint.internal.Narrow;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.Columns;
import dev.octet.checkpoint.packing.GptqPacking;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes GPTQ by the second convention, which stores zero points as they are: INT4 and INT8 weights
 * in groups, inputs as they come. Layers that differ from most are named in {@code dynamic}.
 */
public final class GptqStore implements LayerStore {
  @Override
  public Optional<ObjectNode> scheme(
      String module, LinearWeights layer, Collection<ObjectNode> before) {
    QuantizedWeight weight = layer.weight();
    if (weight instanceof DenseWeight && layer.inputScale() == null) {
      return Optional.empty();
    }
    ScaleGrid grid = grid(module, layer);
    int bits = bits(weight);
    requireWholeWords(module, "outputs", weight.rows(), bits);
    requireWholeWords(module, "inputs", weight.columns(), bits);
    Codes.requireZeros(module, grid, bits, "GPTQ");
    ObjectNode scheme = Json.MAPPER.createObjectNode();
    boolean grouped = grid.columnBlock() < weight.columns();
    scheme.put("bits", bits).put("group_size", grouped ? (int) grid.columnBlock() : -1);
    scheme.put("sym", grid.symmetric()).put("desc_act", weight.permutation() != null);
    return Optional.of(scheme);
  }

  private static ScaleGrid grid(String module, LinearWeights layer) {
    ScaleGrid grid =
        switch (layer.weight()) {
          case Int4Weight w -> w.grid();
          case Int8Weight w -> w.grid();
          default -> null;
        };
    boolean rows =
        grid != null
            && (grid.granularity() == ScaleGranularity.GROUP
                || grid.granularity() == ScaleGranularity.CHANNEL);
    if (grid == null
        || !rows
        || !grid.plain()
        || !(layer.activation() instanceof ActivationQuant.None)
        || layer.inputScale() != null) {
      throw new CheckpointException(
          "%s: is %s with %s inputs; GPTQ stores INT4 and INT8 weights per group or channel only"
              .formatted(module, layer.weight().label(), layer.activation().label()));
    }
    return grid;
  }

  private static int bits(QuantizedWeight weight) {
    return weight instanceof Int4Weight ? 4 : 8;
  }

  /** Other readers have no words that are partly used. */
  private static void requireWholeWords(String module, String what, long count, int bits) {
    if (count * bits % 32 != 0) {
      throw new CheckpointException(
          "%s: %d %s of %d bits fill no whole words of 32; GPTQ cannot store them"
              .formatted(module, count, what, bits));
    }
  }

  @Override
  public SortedMap<String, Tensor> tensors(String module, LinearWeights layer, DType modelType) {
    SortedMap<String, Tensor> out = new TreeMap<>();
    if (layer.bias() != null) {
      out.put(module + ".bias", Narrow.to(layer.bias(), modelType));
    }
    if (layer.weight() instanceof DenseWeight dense) {
      out.put(module + ".weight", dense.values());
      return out;
    }
    ScaleGrid grid = grid(module, layer);
    QuantizedWeight weight = layer.weight();
    int bits = bits(weight);
    out.put(module + ".qweight", GptqPacking.packCodes(codes(weight), bits));
    out.put(module + ".qzeros", GptqPacking.packZeros(Codes.zeros(grid, bits), bits));
    Tensor scales = Codes.turned(grid.scales());
    out.put(module + ".scales", Narrow.to(scales, DType.F16, DType.BF16));
    Tensor order = weight.permutation();
    out.put(
        module + ".g_idx",
        order == null
            ? Columns.groups(weight.columns(), grid.columnBlock())
            : Columns.groups(order, grid.columnBlock()));
    return out;
  }

  /** Unsigned codes U8 [n, k], columns in the order of the inputs. */
  private static Tensor codes(QuantizedWeight weight) {
    Tensor stored =
        switch (weight) {
          case Int4Weight w -> Packing.spread(w.packed(), w.columns());
          case Int8Weight w -> w.codes();
          default -> throw new IllegalArgumentException(weight.label());
        };
    return Codes.unsigned(Columns.scattered(stored, weight.permutation()), bits(weight));
  }

  @Override
  public ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense) {
    ObjectNode json = Json.MAPPER.createObjectNode();
    ObjectNode most = mostFrequent(schemes);
    json.put("quant_method", "gptq").put("checkpoint_format", "gptq_v2");
    json.put("bits", most.get("bits").asInt()).put("group_size", most.get("group_size").asInt());
    json.put("desc_act", schemes.values().stream().anyMatch(s -> s.get("desc_act").asBoolean()));
    json.put("sym", schemes.values().stream().allMatch(s -> s.get("sym").asBoolean()));
    json.put("lm_head", schemes.containsKey("lm_head")).put("pack_dtype", "int32");
    ObjectNode dynamic = Json.MAPPER.createObjectNode();
    schemes.forEach(
        (module, scheme) -> {
          if (!same(scheme, most)) {
            dynamic
                .putObject("+:" + name(module))
                .put("bits", scheme.get("bits").asInt())
                .put("group_size", scheme.get("group_size").asInt());
          }
        });
    dense.stream()
        .filter(module -> !module.equals("lm_head"))
        .forEach(module -> dynamic.putObject("-:" + name(module)));
    if (!dynamic.isEmpty()) {
      json.set("dynamic", dynamic);
    }
    return json;
  }

  /** A regular expression for one module. */
  private static String name(String module) {
    return "^" + module.replace(".", "\\.") + "$";
  }

  private static boolean same(ObjectNode a, ObjectNode b) {
    return a.get("bits").asInt() == b.get("bits").asInt()
        && a.get("group_size").asInt() == b.get("group_size").asInt();
  }

  private static ObjectNode mostFrequent(SequencedMap<String, ObjectNode> schemes) {
    ObjectNode most = Json.MAPPER.createObjectNode().put("bits", 4).put("group_size", 128);
    Map<String, Integer> counts = new LinkedHashMap<>();
    int best = 0;
    for (ObjectNode scheme : schemes.values()) {
      int count =
          counts.merge(scheme.get("bits") + "/" + scheme.get("group_size"), 1, Integer::sum);
      if (count > best) {
        best = count;
        most = scheme;
      }
    }
    return most;
  }

  @Override
  public Optional<String> settingsFile() {
    return Optional.of("quantize_config.json");
  }
}
