package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/** Writes unquantized layers, as any runtime reads them; the inverse of {@link DenseFormat}. */
public final class DenseStore implements LayerStore {
  @Override
  public Optional<ObjectNode> scheme(
      String module, LinearWeights layer, Collection<ObjectNode> before) {
    boolean dense = layer.weight() instanceof DenseWeight && layer.inputScale() == null;
    if (!dense || !(layer.activation() instanceof ActivationQuant.None)) {
      throw new CheckpointException(
          "%s: is %s with %s inputs; a dense checkpoint holds no quantized layers"
              .formatted(module, layer.weight().label(), layer.activation().label()));
    }
    return Optional.empty();
  }

  @Override
  public SortedMap<String, Tensor> tensors(String module, LinearWeights layer, DType modelType) {
    SortedMap<String, Tensor> out = new TreeMap<>();
    out.put(module + ".weight", ((DenseWeight) layer.weight()).values());
    if (layer.bias() != null) {
      out.put(module + ".bias", Narrow.to(layer.bias(), modelType));
    }
    return out;
  }

  @Override
  public ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense) {
    return Json.MAPPER.createObjectNode();
  }

  @Override
  public boolean inConfig() {
    return false;
  }
}
