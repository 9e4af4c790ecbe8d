package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** A model directory (or the one file that is a model), as far as names and settings go. */
final class ModelFolder {
  private static final String OLD_CONFIG = "compression_config";

  private final Path path;
  private @Nullable ObjectNode json;

  ModelFolder(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  boolean isFile() {
    return Files.isRegularFile(path);
  }

  boolean has(String name) {
    return Files.exists(path.resolve(name));
  }

  /** The first file by name that a pattern matches. */
  Optional<Path> find(String glob) {
    return findAll(glob).stream().findFirst();
  }

  /** The files that a pattern matches, by name. */
  List<Path> findAll(String glob) {
    if (isFile()) {
      return List.of();
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(path, glob)) {
      return StreamSupport.stream(files.spliterator(), false)
          .sorted()
          .map(file -> ModelFiles.requireInside(path, file))
          .toList();
    } catch (IOException e) {
      throw new CheckpointException(path + ": cannot be read: " + Texts.reason(e), e);
    }
  }

  /** The fields of a file in the folder. */
  Fields settings(String name) {
    Path file = ModelFiles.requireInside(path, path.resolve(name));
    return Fields.of(file.toString(), Json.readObject(file));
  }

  /** The fields of config.json. */
  Fields config() {
    return Fields.of(configFile().toString(), json());
  }

  /** Whether config.json has a {@code quantization_config} that says something. */
  boolean quantized() {
    return quantizationConfig().isPresent();
  }

  /** The {@code quantization_config} of a {@link #quantized} model. */
  Fields quantization() {
    return quantizationConfig().orElseThrow();
  }

  /** Under its name, under the one of compressed-tensors' first releases, or within another. */
  private Optional<Fields> quantizationConfig() {
    for (String name : List.of("quantization_config", OLD_CONFIG)) {
      if (config().isFilled(name)) {
        return config().object(name);
      }
    }
    return config().isFilled("text_config")
        ? config()
            .object("text_config")
            .filter(t -> t.isFilled("quantization_config"))
            .flatMap(t -> t.object("quantization_config"))
        : Optional.empty();
  }

  /** Whether config.json names one of these as its {@code quant_method}. */
  boolean quantizedBy(String... methods) {
    if (!quantized()) {
      return false;
    }
    boolean old = !config().isFilled("quantization_config") && config().isFilled(OLD_CONFIG);
    Optional<String> method = quantization().text("quant_method");
    return List.of(methods)
        .contains(
            old ? method.orElse("compressed-tensors") : quantization().requireText("quant_method"));
  }

  /** The architecture, with the end tokens that only generation_config.json may name. */
  ModelConfig modelConfig() {
    return ModelConfigs.read(configFile().toString(), json()).withMoreEosTokens(generationEos());
  }

  /** Llama 3 names the end tokens of its chat turns only there. */
  private List<Integer> generationEos() {
    String name = "generation_config.json";
    return has(name)
        ? settings(name).integers("eos_token_id").stream().filter(id -> id >= 0).toList()
        : List.of();
  }

  private ObjectNode json() {
    ObjectNode known = json;
    if (known == null) {
      if (!Files.exists(configFile())) {
        throw new CheckpointException(configFile() + ": no such file; is this a model directory?");
      }
      known = Json.readObject(ModelFiles.requireInside(path, configFile()));
      json = known;
    }
    return known;
  }

  private Path configFile() {
    return path.resolve("config.json");
  }
}
