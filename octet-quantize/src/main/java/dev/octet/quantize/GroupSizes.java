package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScaleGranularity;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * Refuses groups that were asked for and that no layer can have. A preset's own group size gives
 * way to a smaller one, or to one scale a row; one that somebody has named is meant.
 */
public final class GroupSizes {
  /** As many as a line holds. */
  private static final int NAMED = 8;

  private GroupSizes() {}

  /**
   * Refuses if a layer would have one scale a row instead of the groups asked for.
   *
   * @throws CheckpointException naming the layer and group sizes that divide its inputs
   */
  public static void require(ModelConfig config, QuantizeOptions options) {
    ModelLayout.linears(
        config,
        shape -> {
          if (!options.ignores(shape.module())) {
            require(shape, options.schemeOf(shape.module()));
          }
        });
  }

  /** The same for one scheme on all decoder layers. */
  public static void require(ModelConfig config, QuantScheme scheme) {
    require(config, QuantizeOptions.of(scheme));
  }

  private static void require(LinearShape shape, QuantScheme scheme) {
    boolean named =
        scheme.granularity() == ScaleGranularity.GROUP
            && scheme.group() != QuantScheme.of(scheme.name()).group();
    QuantScheme stored = LayerQuantizer.dividing(scheme, shape.columns());
    if (named && stored.granularity() != ScaleGranularity.GROUP) {
      throw new CheckpointException(
          "%s: groups of %d do not divide its %d input features; %s do"
              .formatted(shape.module(), scheme.group(), shape.columns(), divisors(shape)));
    }
  }

  private static String divisors(LinearShape shape) {
    String sizes =
        LongStream.rangeClosed(LayerQuantizer.SMALLEST_GROUP, shape.columns())
            .filter(size -> shape.columns() % size == 0)
            .limit(NAMED)
            .mapToObj(Long::toString)
            .collect(Collectors.joining(", "));
    return sizes;
  }
}
