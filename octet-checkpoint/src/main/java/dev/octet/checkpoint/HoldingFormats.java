package dev.octet.checkpoint;

import dev.octet.tensor.LinearWeights;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Which formats hold a layer that one refuses, taken by itself. */
final class HoldingFormats {
  private HoldingFormats() {}

  /**
   * The refusal with the formats that would not have refused.
   *
   * @param refusing which has; null: none of these
   */
  static CheckpointException named(
      CheckpointException refusal,
      String module,
      LinearWeights layer,
      @Nullable WriteFormat refusing) {
    String others =
        Arrays.stream(WriteFormat.values())
            .filter(format -> format != refusing && format != WriteFormat.DENSE)
            .filter(format -> holds(format, module, layer))
            .map(WriteFormat::label)
            .collect(Collectors.joining(", "));
    return others.isEmpty()
        ? refusal
        : new CheckpointException(
            refusal.getMessage() + "; formats that hold this layer: " + others, refusal);
  }

  private static boolean holds(WriteFormat format, String module, LinearWeights layer) {
    try {
      format.requireSaidInputs(module, layer);
      format.store().scheme(module, layer, List.of());
      return true;
    } catch (CheckpointException e) {
      return false;
    }
  }
}
