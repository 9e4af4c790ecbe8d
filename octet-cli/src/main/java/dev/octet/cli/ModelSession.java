package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.OuterSource;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import java.util.List;

/** A model loaded as the options say; checkpoint and kernels belong to the caller. */
final class ModelSession {
  private ModelSession() {}

  /**
   * Loads the model, quantizing its weights on the way if {@code choice} says so.
   *
   * @param ignore globs of modules to leave as they are
   * @param outer output layer and embedding
   */
  static CausalLm load(
      Checkpoint checkpoint,
      QuantChoice choice,
      List<String> ignore,
      OuterSchemes outer,
      Kernels kernels,
      RunOptions options) {
    WeightSource source =
        choice.scheme() == null
            ? checkpoint
            : new QuantizedSource(checkpoint, QuantizeOptions.of(choice.scheme()).ignoring(ignore));
    return CausalLm.load(OuterSource.of(source, outer), kernels, options);
  }
}
