package dev.octet.quantize.compare;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One model beside the base.
 *
 * @param distance of its predictions
 * @param layerErrors mean relative error of the residual stream after every layer
 */
public record Comparison(DistanceSummary distance, List<Double> layerErrors) {

  /**
   * A layer and what it adds to the error.
   *
   * @param error after the layer
   * @param growth since the layer before
   */
  public record LayerError(int layer, double error, double growth) {}

  /** The layers that add most, the worst first; none of those that add nothing. */
  public List<LayerError> worst(int count) {
    return IntStream.range(0, layerErrors.size())
        .mapToObj(
            l ->
                new LayerError(
                    l,
                    layerErrors.get(l),
                    layerErrors.get(l) - (l == 0 ? 0 : layerErrors.get(l - 1))))
        .filter(layer -> layer.growth() > 0)
        .sorted(Comparator.comparingDouble(LayerError::growth).reversed())
        .limit(count)
        .toList();
  }
}
