package dev.octet.checkpoint;

import dev.octet.checkpoint.ascend.AscendFormat;
import dev.octet.checkpoint.ascend.Description;
import dev.octet.checkpoint.internal.StoredTensors;
import java.nio.file.Path;

/** Ascend msModelSlim and MindIE, known by their description file. */
final class AscendReader implements FormatReader {
  @Override
  public String name() {
    return "Ascend msModelSlim (INT8, INT4, FP8, MX)";
  }

  @Override
  public boolean recognizes(ModelFolder folder) {
    return !folder.isFile() && AscendFiles.described(folder);
  }

  @Override
  public Checkpoint open(ModelFolder folder) {
    Path file = AscendFiles.description(folder);
    Description description = new Description(file);
    ModelConfig config = folder.modelConfig();
    int group = folder.quantized() ? Description.groupSize(folder.quantization()) : 0;
    StoredTensors tensors = AscendFiles.weights(folder, file);
    try {
      AscendFormat format = new AscendFormat(description, group, config, tensors);
      return new StoredCheckpoint(config, tensors, format);
    } catch (RuntimeException e) {
      tensors.close();
      throw e;
    }
  }
}
