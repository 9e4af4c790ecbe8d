package dev.octet.quantize.sensitivity;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.model.LayerRunner.Part;
import dev.octet.quantize.LayerQuantizer;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The linear layers of one decoder layer in several schemes, each made once, when it is first asked
 * for.
 */
final class LayerVariants implements AutoCloseable {
  /**
   * A layer in a scheme.
   *
   * @param weights what it is made of
   * @param linear ready to run
   */
  record Variant(LinearWeights weights, Linear linear) {}

  private record Key(Part part, @Nullable QuantScheme scheme) {}

  private final WeightSource source;
  private final Kernels kernels;
  private final int layer;
  private final Arena arena = Arena.ofShared();
  private final Map<Key, Variant> made = new HashMap<>();

  LayerVariants(WeightSource source, Kernels kernels, int layer) {
    this.source = source;
    this.kernels = kernels;
    this.layer = layer;
  }

  /** The original. */
  LinearWeights stored(Part part) {
    return source.linear(part.module(layer));
  }

  /** A part as a candidate has it. */
  Variant get(Part part, Candidate candidate) {
    QuantScheme scheme = candidate.on(stored(part).weight().columns());
    return made.computeIfAbsent(new Key(part, scheme), this::make);
  }

  private Variant make(Key key) {
    LinearWeights weights = stored(key.part());
    if (key.scheme() != null) {
      weights = LayerQuantizer.quantize(key.part().module(layer), weights, key.scheme(), arena);
    }
    return new Variant(weights, kernels.linear(weights, arena));
  }

  /** Several parts as a candidate has them. */
  Map<Part, Linear> linears(List<Part> parts, Candidate candidate) {
    Map<Part, Linear> linears = new EnumMap<>(Part.class);
    parts.forEach(part -> linears.put(part, get(part, candidate).linear()));
    return linears;
  }

  @Override
  public void close() {
    arena.close();
  }
}
