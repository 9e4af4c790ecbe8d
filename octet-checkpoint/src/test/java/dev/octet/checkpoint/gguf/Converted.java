package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import java.nio.file.Path;
import java.util.List;

/** GGUF files made of model directories. */
final class Converted {
  private Converted() {}

  static void write(Path model, GgufType type, Path out) {
    write(model, type, out, new GgufEntries());
  }

  /** With further metadata behind the model's own. */
  static void write(Path model, GgufType type, Path out, GgufEntries more) {
    try (Checkpoint source = Checkpoints.open(model)) {
      GgufModel gguf = new GgufModel(source, type);
      GgufEntries metadata = gguf.metadata("test").also(more);
      List<GgufWriter.Spec> specs =
          gguf.plan().stream().map(GgufModel.GgufTensorPlan::spec).toList();
      try (GgufWriter writer = GgufWriter.create(out, metadata, specs, true)) {
        gguf.plan().forEach(t -> writer.write(t.spec().name(), gguf.rows(t)));
        writer.finish();
      }
    }
  }
}
