package dev.octet.cli;

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
          "directory of the model as Hugging Face publishes it (default: the bundled model)")
  @Nullable Path model;

  /**
   * The model's directory.
   *
   * @throws CliException if it is not one
   */
  Path directory() {
    if (model == null) {
      return BundledModel.directory();
    }
    if (!Files.isDirectory(model)) {
      throw new CliException(
          "--model " + model + (Files.exists(model) ? ": not a directory" : ": no such directory"));
    }
    return model;
  }
}
