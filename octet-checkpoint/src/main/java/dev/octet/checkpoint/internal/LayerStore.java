package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * How a format stores linear layers, and what its settings say of them: the inverse of {@link
 * LinearFormat}.
 */
public interface LayerStore {
  /**
   * What the settings must remember of a layer; empty for a dense one.
   *
   * @param before the same of all layers stored already
   * @throws CheckpointException if the format has no form for the layer, or none beside those it
   *     has stored already
   */
  Optional<ObjectNode> scheme(String module, LinearWeights layer, Collection<ObjectNode> before);

  /**
   * The tensors of a layer by their full names.
   *
   * @param modelType the model's own type: values are stored in it where nothing is lost
   */
  SortedMap<String, Tensor> tensors(String module, LinearWeights layer, DType modelType);

  /**
   * The {@code quantization_config}.
   *
   * @param schemes of all quantized layers, by module, in the order of the forward pass
   * @param dense all other linear layers
   */
  ObjectNode settings(SequencedMap<String, ObjectNode> schemes, List<String> dense);

  /** A file that holds the settings once more, for tools that look there. */
  default Optional<String> settingsFile() {
    return Optional.empty();
  }

  /** Whether the settings stand in config.json. */
  default boolean inConfig() {
    return true;
  }

  /** What the names of the weights' files begin with. */
  default String weights() {
    return "model";
  }

  /**
   * What {@link #settingsFile} holds.
   *
   * @param schemes of all quantized layers, by module
   * @param tensors names of all that are stored
   */
  default ObjectNode file(
      ObjectNode settings, SequencedMap<String, ObjectNode> schemes, Set<String> tensors) {
    return settings;
  }

  /**
   * The tensors of a layer's calibrated cache scales, and of its queries' if it has some.
   *
   * @throws CheckpointException if the format has no form for them
   */
  default SortedMap<String, Tensor> scales(
      int layer, KvScales cache, @Nullable QueryScales query, ModelConfig config) {
    throw new CheckpointException(
        "layer %d: the format has no place for scales of attention or cache; compressed-tensors has for FP8 and INT8 caches, ascend for C8 and FAQuant"
            .formatted(layer));
  }

  /**
   * What the settings must say of all layers' cache scales; empty if nothing.
   *
   * @throws CheckpointException if the format has no form for them
   */
  default Optional<ObjectNode> cacheScheme(
      int layer, KvScales cache, @Nullable QueryScales query, ModelConfig config) {
    return Optional.empty();
  }

  /** Puts what {@link #cacheScheme} found into the settings. */
  default void addCacheScheme(ObjectNode settings, ObjectNode scheme) {}
}
