package dev.octet.checkpoint.awq;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.checkpoint.internal.Narrow;
import dev.octet.checkpoint.packing.AwqPacking;
import dev.octet.checkpoint.packing.Codes;
import dev.octet.checkpoint.packing.Packing;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/** Writes AWQ's GEMM layout: INT4 weights, all in groups of one size, inputs as they come. */
public final class AwqStore implements LayerStore {
  private static final int BITS = 4;

  @Override
  public Optional<ObjectNode> scheme(
      String module, LinearWeights layer, Collection<ObjectNode> before) {
    if (layer.weight() instanceof DenseWeight && layer.inputScale() == null) {
      return Optional.empty();
    }
    Int4Weight weight = weight(module, layer);
    requireStorable(module, weight);
    boolean grouped = weight.grid().columnBlock() < weight.columns();
    ObjectNode scheme = Json.MAPPER.createObjectNode();
    scheme.put("group_size", grouped ? (int) weight.grid().columnBlock() : -1);
    scheme.put("columns", (int) weight.columns());
    for (ObjectNode other : before) {
      if (!fits(scheme, other) && !fits(other, scheme)) {
        throw new CheckpointException(
            "%s: groups of %d beside groups of %d; AWQ has one size for all (-1: whole rows)"
                .formatted(module, group(scheme), group(other)));
      }
    }
    return Optional.of(scheme);
  }

  private static int group(ObjectNode scheme) {
    return scheme.get("group_size").asInt();
  }

  /** Whether one layer can say it has the groups of another: a row may be one group of either. */
  private static boolean fits(ObjectNode one, ObjectNode other) {
    return group(one) == group(other)
        || (group(one) == -1 && one.get("columns").asInt() <= group(other));
  }

  private static Int4Weight weight(String module, LinearWeights layer) {
    if (!(layer.weight() instanceof Int4Weight weight)
        || weight.permutation() != null
        || !weight.grid().plain()
        || (weight.grid().granularity() != ScaleGranularity.GROUP
            && weight.grid().granularity() != ScaleGranularity.CHANNEL)
        || !(layer.activation() instanceof ActivationQuant.None)
        || layer.inputScale() != null) {
      throw new CheckpointException(
          "%s: is %s with %s inputs; AWQ stores INT4 weights per group or channel only"
              .formatted(module, layer.weight().label(), layer.activation().label()));
    }
    return weight;
  }

  private static void requireStorable(String module, Int4Weight weight) {
    if (weight.rows() % 8 != 0) {
      throw new CheckpointException(
          "%s: %d outputs fill no whole words of eight codes; AWQ cannot store them"
              .formatted(module, weight.rows()));
    }
    Codes.requireZeros(module, weight.grid(), BITS, "AWQ");
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
    Int4Weight weight = weight(module, layer);
    ScaleGrid grid = weight.grid();
    Tensor codes = Codes.unsigned(Packing.spread(weight.packed(), weight.columns()), BITS);
    out.put(module + ".qweight", AwqPacking.pack(Codes.turned(codes), true));
    out.put(module + ".qzeros", AwqPacking.pack(Codes.turned(Codes.zeros(grid, BITS)), true));
    Tensor scales = Codes.turned(grid.scales());
    out.put(module + ".scales", Narrow.to(scales, DType.F16, DType.BF16));
    return out;
  }

  @Override
  public ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense) {
    ObjectNode json = Json.MAPPER.createObjectNode();
    int group = schemes.values().stream().mapToInt(AwqStore::group).max().orElse(128);
    json.put("quant_method", "awq").put("version", "gemm").put("bits", BITS);
    json.put("group_size", group).put("zero_point", true);
    var excluded = json.putArray("modules_to_not_convert");
    dense.forEach(excluded::add);
    return json;
  }
}
