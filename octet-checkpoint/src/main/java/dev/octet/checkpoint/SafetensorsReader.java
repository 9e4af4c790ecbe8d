package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import java.util.function.Predicate;

/**
 * A format in Hugging Face's own files, config.json and model*.safetensors, that differs from
 * others in how it stores linear layers.
 *
 * @param name for messages
 * @param evidence what a folder of this format shows
 * @param linears reads the settings and gives what reads the layers
 */
record SafetensorsReader(String name, Predicate<ModelFolder> evidence, Linears linears)
    implements FormatReader {

  /** Makes the reader of a folder's linear layers. */
  interface Linears {
    LinearFormat of(ModelFolder folder, ModelConfig config, StoredTensors tensors);
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return evidence.test(folder);
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    ModelConfig config = folder.modelConfig();
    StoredTensors tensors = ModelFiles.open(folder.path());
    try {
      return new StoredCheckpoint(config, tensors, linears.of(folder, config, tensors));
    } catch (RuntimeException e) {
      tensors.close();
      throw e;
    }
  }
}
