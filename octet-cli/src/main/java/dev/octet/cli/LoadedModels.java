package dev.octet.cli;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OuterSchemes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Several models that run side by side; a checkpoint that several are made of is opened once. */
final class LoadedModels implements AutoCloseable {
  private final Kernels kernels;
  private final Map<Path, Checkpoint> checkpoints = new HashMap<>();
  private final List<CausalLm> models = new ArrayList<>();

  /**
   * @param kernels stay the caller's
   */
  LoadedModels(Kernels kernels) {
    this.kernels = kernels;
  }

  /** Opens a checkpoint, or returns it if it is open. */
  Checkpoint checkpoint(Path directory) {
    return checkpoints.computeIfAbsent(directory, Checkpoints::open);
  }

  /** Loads one more. */
  CausalLm load(ComparedModel model, List<String> ignore, OuterSchemes outer, RunOptions options) {
    CausalLm lm =
        ModelSession.load(
            checkpoint(model.directory()), model.choice(), ignore, outer, kernels, options);
    models.add(lm);
    return lm;
  }

  /** All that were loaded, in that order. */
  List<CausalLm> all() {
    return List.copyOf(models);
  }

  @Override
  public void close() {
    models.forEach(CausalLm::close);
    checkpoints.values().forEach(Checkpoint::close);
  }
}
