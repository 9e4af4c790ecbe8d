package dev.octet.checkpoint;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.tensor.LinearWeights;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Whether a format can hold a model's layers, asked before there are any. Layers that look like
 * those to come pass the format's own checks, each and all together, as if they were written;
 * nothing is. What depends on values, a zero point out of range for instance, shows only later.
 */
public final class FormatCheck {
  private FormatCheck() {}

  /**
   * Refuses layers that {@link CompressedTensorsWriter} would.
   *
   * @param config of the model that is to be written
   * @param samples a layer's stand-in: of the form, the type, the groups and the inputs that it
   *     will have, of its input features, and of as many output features or fewer
   * @param cache scales of every layer's cache as they will be; null: none
   * @param query scales of every layer's queries; null: none
   * @throws CheckpointException if the format has no form for a layer, none beside the others, or
   *     none for the scales
   */
  public static void require(
      WriteFormat format,
      ModelConfig config,
      Function<LinearShape, LinearWeights> samples,
      @Nullable KvScales cache,
      @Nullable QueryScales query) {
    LayerStore store = format.store();
    SequencedMap<String, ObjectNode> schemes = new LinkedHashMap<>();
    Set<LinearWeights> stored = Collections.newSetFromMap(new IdentityHashMap<>());
    ModelLayout.linears(
        config,
        shape -> {
          LinearWeights layer = samples.apply(shape);
          format.requireSaidInputs(shape.module(), layer);
          store
              .scheme(shape.module(), layer, schemes.values())
              .ifPresent(scheme -> schemes.put(shape.module(), scheme));
          if (stored.add(layer)) {
            store.tensors(shape.module(), layer, config.dtype());
          }
        });
    ObjectNode settings = store.settings(schemes, unquantized(config, schemes));
    if (cache != null) {
      Optional<ObjectNode> scheme = store.cacheScheme(0, cache, query, config);
      scheme.ifPresent(s -> store.addCacheScheme(settings, s));
      store.file(settings, schemes, store.scales(0, cache, query, config).keySet());
    }
  }

  /** The linear layers that have no scheme, in the order of the forward pass. */
  static List<String> unquantized(ModelConfig config, SequencedMap<String, ObjectNode> schemes) {
    List<String> dense = new ArrayList<>();
    ModelLayout.linears(
        config,
        shape -> {
          if (!schemes.containsKey(shape.module())) {
            dense.add(shape.module());
          }
        });
    if (config.tiedEmbeddings()) {
      dense.add(ModelLayout.LM_HEAD);
    }
    return dense;
  }
}
