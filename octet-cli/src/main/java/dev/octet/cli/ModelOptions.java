package dev.octet.cli;

import dev.octet.checkpoint.gguf.GgufHeader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --model}: which checkpoint. */
final class ModelOptions {
  @Option(
      names = "--model",
      paramLabel = "DIR",
      description =
          "directory of the model as Hugging Face publishes it, or a GGUF file (default: the "
              + "bundled model)")
  @Nullable Path model;

  /**
   * The model's directory, or its GGUF file.
   *
   * @throws CliException if it is neither
   */
  Path directory() {
    if (model == null) {
      return BundledModel.directory();
    }
    if (!Files.isDirectory(model) && !(Files.isRegularFile(model) && GgufHeader.named(model))) {
      throw new CliException(
          "--model "
              + model
              + (Files.exists(model)
                  ? ": neither a directory nor a GGUF file"
                  : ": no such directory"));
    }
    return model;
  }
}
