package dev.octet.checkpoint.fp8;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.checkpoint.internal.Narrow;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.Tensor;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes block-wise FP8: E4M3 in blocks of one size, inputs quantized token by token in stretches
 * as wide as a block.
 */
public final class Fp8BlockStore implements LayerStore {
  @Override
  public Optional<ObjectNode> scheme(
      String module, LinearWeights layer, Collection<ObjectNode> before) {
    if (layer.weight() instanceof DenseWeight && layer.inputScale() == null) {
      return Optional.empty();
    }
    Fp8Weight weight = weight(module, layer);
    ObjectNode scheme = Json.MAPPER.createObjectNode();
    scheme.put("rows", Math.toIntExact(weight.grid().rowBlock()));
    scheme.put("columns", Math.toIntExact(weight.grid().columnBlock()));
    for (ObjectNode other : before) {
      if (!sizes(other).equals(sizes(scheme))) {
        throw new CheckpointException(
            "%s: blocks of %s beside blocks of %s; FP8 has one size for all"
                .formatted(module, sizes(scheme), sizes(other)));
      }
    }
    return Optional.of(scheme);
  }

  private static String sizes(ObjectNode scheme) {
    return scheme.get("rows").asInt() + "x" + scheme.get("columns").asInt();
  }

  private static Fp8Weight weight(String module, LinearWeights layer) {
    if (!(layer.weight() instanceof Fp8Weight weight)
        || weight.codes().dtype() != DType.F8_E4M3
        || weight.grid().granularity() != ScaleGranularity.BLOCK
        || !(layer.activation() instanceof ActivationQuant.DynamicFp8Block(int block))
        || block != weight.grid().columnBlock()
        || layer.inputScale() != null) {
      throw new CheckpointException(
          "%s: is %s with %s inputs; the format fp8 stores E4M3 in blocks with inputs in blocks"
              .formatted(module, layer.weight().label(), layer.activation().label()));
    }
    return weight;
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
    Fp8Weight weight = weight(module, layer);
    out.put(module + ".weight", weight.codes());
    out.put(module + ".weight_scale_inv", weight.grid().scales());
    return out;
  }

  @Override
  public ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense) {
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.put("quant_method", "fp8").put("fmt", "e4m3").put("activation_scheme", "dynamic");
    ObjectNode size =
        schemes.isEmpty()
            ? Json.MAPPER.createObjectNode().put("rows", 128).put("columns", 128)
            : schemes.firstEntry().getValue();
    json.putArray("weight_block_size")
        .add(size.get("rows").asInt())
        .add(size.get("columns").asInt());
    var excluded = json.putArray("modules_to_not_convert");
    dense.forEach(excluded::add);
    return json;
  }
}
