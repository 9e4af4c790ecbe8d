package dev.octet.checkpoint;

import dev.octet.checkpoint.compressedtensors.CompressedTensorsFormat;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.node.ObjectNode;

/** Opens model directories of any format that is understood. */
public final class Checkpoints {
  private Checkpoints() {}

  /**
   * Opens and checks a model directory: dense safetensors or compressed-tensors. No weight is read
   * yet, only headers and scales.
   *
   * @throws UnsupportedCheckpointException for another format or architecture, naming it
   * @throws CheckpointException if something is missing, damaged or contradictory
   */
  public static Checkpoint open(Path directory) {
    if (Files.isRegularFile(directory)) {
      throw notADirectory(directory);
    }
    if (!Files.isDirectory(directory)) {
      throw new CheckpointException(directory + ": no such model directory");
    }
    ForeignFormats.refuseByFiles(directory);
    Path file = ModelFiles.requireInside(directory, requireConfig(directory));
    ObjectNode json = Json.readObject(file);
    Fields fields = Fields.of(file.toString(), json);
    ForeignFormats.refuseByConfig(directory, fields);
    ModelConfig config =
        ModelConfigs.read(file.toString(), json).withMoreEosTokens(generationEos(directory));
    StoredTensors tensors = ModelFiles.open(directory);
    try {
      return new StoredCheckpoint(config, tensors, format(fields, config, tensors));
    } catch (RuntimeException e) {
      tensors.close();
      throw e;
    }
  }

  /** End tokens of generation_config.json: Llama 3 names those of its chat turns only there. */
  private static List<Integer> generationEos(Path directory) {
    Path file = directory.resolve("generation_config.json");
    if (!Files.exists(file)) {
      return List.of();
    }
    Path inside = ModelFiles.requireInside(directory, file);
    return Fields.of(inside.toString(), Json.readObject(inside)).integers("eos_token_id").stream()
        .filter(id -> id >= 0)
        .toList();
  }

  private static LinearFormat format(Fields fields, ModelConfig config, StoredTensors tensors) {
    return fields.isFilled("quantization_config")
        ? new CompressedTensorsFormat(
            fields.object("quantization_config").orElseThrow(), config, tensors)
        : new DenseFormat(tensors);
  }

  private static Path requireConfig(Path directory) {
    Path config = directory.resolve("config.json");
    if (!Files.exists(config)) {
      throw new CheckpointException(config + ": no such file; is this a model directory?");
    }
    return config;
  }

  /** A damaged file is told from a sound one of the wrong kind. */
  private static CheckpointException notADirectory(Path file) {
    String name = String.valueOf(file.getFileName());
    if (GgufHeader.named(file)) {
      return ForeignFormats.gguf(file);
    }
    if (name.endsWith(".safetensors")) {
      SafetensorsFile.open(file).close();
    }
    return new CheckpointException(file + ": is a file; give the model's directory");
  }
}
