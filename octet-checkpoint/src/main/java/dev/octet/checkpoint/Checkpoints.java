package dev.octet.checkpoint;

import dev.octet.checkpoint.gguf.GgufHeader;
import java.nio.file.Files;
import java.nio.file.Path;

/** Opens models of any format that is understood. */
public final class Checkpoints {
  private Checkpoints() {}

  /**
   * Opens and checks a model of any format in {@link FormatReaders}. No weight is read yet, only
   * headers and scales.
   *
   * @throws UnsupportedCheckpointException for another format or architecture, naming it
   * @throws CheckpointException if something is missing, damaged or contradictory
   */
  public static Checkpoint open(Path path) {
    if (Files.isRegularFile(path) && !GgufHeader.named(path)) {
      throw notADirectory(path);
    }
    if (!Files.exists(path)) {
      throw new CheckpointException(path + ": no such model directory");
    }
    ModelFolder folder = new ModelFolder(path);
    return FormatReaders.of(folder).open(folder);
  }

  /** A damaged file is told from a sound one of the wrong kind. */
  private static CheckpointException notADirectory(Path file) {
    if (String.valueOf(file.getFileName()).endsWith(".safetensors")) {
      SafetensorsFile.open(file).close();
    }
    return new CheckpointException(file + ": is a file; give the model's directory");
  }
}
