package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.tensor.LinearWeights;
import java.util.List;
import java.util.Optional;

/** How one checkpoint format stores linear layers. */
public interface LinearFormat {
  /** As vLLM spells it: {@code dense}, {@code compressed-tensors} … */
  String name();

  /** Checks all that can be known without reading codes: names, types, shapes, scales. */
  void check(LinearShape shape);

  /** The layer in canonical form. */
  LinearWeights read(LinearShape shape);

  /** Calibrated KV cache scales of a layer. */
  Optional<KvScales> kvScales(int layer);

  /** Calibrated scales of a layer's queries. */
  default Optional<QueryScales> queryScales(int layer) {
    return Optional.empty();
  }

  /** What the settings declare of cache and attention that no stored scale backs. */
  default List<String> scaleProblems() {
    return List.of();
  }

  /** What is computed otherwise than the settings say. */
  default List<String> notices() {
    return List.of();
  }

  /** The name under which a tensor that is no linear layer's is stored. */
  default String storedName(String name) {
    return name;
  }
}
