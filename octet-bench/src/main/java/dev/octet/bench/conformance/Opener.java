package dev.octet.bench.conformance;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Opens what a case names the way a user would: a directory is loaded as a model. */
final class Opener {
  private final Kernels kernels;

  Opener(Kernels kernels) {
    this.kernels = kernels;
  }

  /** Opens and closes {@code path}; what is wrong with it is thrown. */
  void open(Path path) {
    if (!Files.isDirectory(path) && isSafetensors(path)) {
      SafetensorsFile.open(path).close();
      return;
    }
    try (Checkpoint checkpoint = Checkpoints.open(path);
        CausalLm model = CausalLm.load(checkpoint, kernels, RunOptions.exact())) {
      model.config(); // loaded: nothing more to ask of it
    }
  }

  private static boolean isSafetensors(Path path) {
    return path.toString().toLowerCase(Locale.ROOT).endsWith(".safetensors");
  }
}
