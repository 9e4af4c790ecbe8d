package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.WeightSource;
import dev.octet.cli.output.Terminal;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.HostMemory;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.OuterSource;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.quantize.machine.MachineChoice;
import dev.octet.quantize.sensitivity.Candidate;
import java.util.List;

/** A model loaded as the options say; checkpoint and kernels belong to the caller. */
final class ModelSession {
  private ModelSession() {}

  private static final int USUAL_CONTEXT = 4096;

  /**
   * What {@code auto} means here, by timing the model's layers, said in a line; another choice as
   * it is.
   *
   * @throws IllegalArgumentException if nothing fits the memory
   */
  static QuantChoice resolve(
      QuantChoice choice,
      Checkpoint checkpoint,
      OuterSchemes outer,
      Kernels kernels,
      RunOptions options,
      Terminal terminal) {
    if (!choice.equals(QuantChoice.AUTO)) {
      return choice;
    }
    KvType cache = options.kvType();
    MachineChoice found =
        MachineChoice.of(
            checkpoint,
            kernels,
            HostMemory.available(),
            Math.min(USUAL_CONTEXT, CausalLm.contextLength(checkpoint.config())),
            cache == null ? options.kvDefault() : cache,
            options.attention(),
            outer);
    Candidate picked = found.candidate();
    terminal.note("--quantization auto: " + picked.label() + ", " + found.why());
    return new QuantChoice(picked.label(), picked.scheme());
  }

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
    if (choice.equals(QuantChoice.AUTO)) {
      throw new IllegalArgumentException("auto is not resolved yet");
    }
    WeightSource source =
        choice.scheme() == null
            ? checkpoint
            : new QuantizedSource(checkpoint, QuantizeOptions.of(choice.scheme()).ignoring(ignore));
    return CausalLm.load(OuterSource.of(source, outer), kernels, options);
  }
}
