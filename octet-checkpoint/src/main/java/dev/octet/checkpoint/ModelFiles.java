package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.internal.Texts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Finds and opens the weight files of a model directory: {@code model.safetensors}, or the shards
 * its index names. An index is foreign text: it may name plain files of this directory only.
 */
final class ModelFiles {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final int MAX_SHARDS = 10_000;

  private ModelFiles() {}

  /** Whether it looks like a model directory: settings, and weights by their usual name. */
  static boolean holdsModel(Path directory) {
    return Files.exists(directory.resolve("config.json"))
        && (Files.exists(directory.resolve(SINGLE))
            || Files.exists(directory.resolve(INDEX))
            || Files.exists(directory.resolve(AscendFiles.DESCRIPTION + ".json")));
  }

  static StoredTensors open(Path directory) {
    Path single = directory.resolve(SINGLE);
    Path index = directory.resolve(INDEX);
    if (Files.exists(single)) {
      return openAll(Map.of(SINGLE, requireInside(directory, single)));
    }
    if (Files.exists(index)) {
      return openIndexed(directory, index);
    }
    return openOnly(directory);
  }

  /** Weights under another name, as AutoGPTQ and AutoAWQ once wrote, if there is no choice. */
  private static StoredTensors openOnly(Path directory) {
    ModelFolder folder = new ModelFolder(directory);
    List<Path> indices = folder.findAll("*.safetensors.index.json");
    if (indices.size() == 1) {
      return openIndexed(directory, indices.getFirst());
    }
    List<Path> files = folder.findAll("*.safetensors");
    if (files.size() == 1) {
      Path only = files.getFirst();
      return openAll(Map.of(String.valueOf(only.getFileName()), only));
    }
    throw new CheckpointException(
        "%s: has neither %s nor %s%s"
            .formatted(
                directory,
                SINGLE,
                INDEX,
                files.isEmpty()
                    ? pickle(directory)
                    : ", but several other files; which of them is the model?"));
  }

  /** Opens files that need no index, by name. */
  static StoredTensors openAll(Map<String, Path> files) {
    return opened(files, Map.of());
  }

  /** Opens the shards that an index names. */
  static StoredTensors openIndexed(Path directory, Path index) {
    Map<String, String> weightMap = weightMap(requireInside(directory, index));
    Map<String, Path> shards = new TreeMap<>();
    for (Map.Entry<String, String> entry : weightMap.entrySet()) {
      String name = entry.getValue();
      if (!shards.containsKey(name)) {
        Path shard = directory.resolve(name);
        if (!Files.exists(shard)) {
          throw new CheckpointException(
              "%s: the shard %s that holds tensor %s is missing"
                  .formatted(index, Texts.quote(name), Texts.quote(entry.getKey())));
        }
        shards.put(name, requireInside(directory, shard));
      }
    }
    return opened(shards, weightMap);
  }

  private static String pickle(Path directory) {
    boolean torch =
        Files.exists(directory.resolve("pytorch_model.bin"))
            || Files.exists(directory.resolve("pytorch_model.bin.index.json"));
    return torch ? "; convert pytorch_model.bin to safetensors first" : "";
  }

  private static StoredTensors opened(Map<String, Path> shards, Map<String, String> weightMap) {
    Map<String, SafetensorsFile> open = new LinkedHashMap<>();
    try {
      shards.forEach((name, path) -> open.put(name, SafetensorsFile.open(path)));
      weightMap.forEach(
          (tensor, shard) -> {
            SafetensorsFile file = open.get(shard);
            if (file != null && !file.tensors().containsKey(tensor)) {
              throw new CheckpointException(
                  "%s: has no tensor %s, though the index says so"
                      .formatted(file.file(), Texts.quote(tensor)));
            }
          });
      StoredTensors tensors = new StoredTensors(open.values());
      if (!weightMap.isEmpty()) {
        requireListed(tensors, weightMap);
      }
      return tensors;
    } catch (RuntimeException e) {
      open.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /** Loaders that go by the index and loaders that go by the files must see the same model. */
  private static void requireListed(StoredTensors tensors, Map<String, String> weightMap) {
    for (String name : tensors.all().keySet()) {
      if (!weightMap.containsKey(name)) {
        throw tensors.problem(name, "is stored, but the index does not list it");
      }
    }
  }

  private static Map<String, String> weightMap(Path index) {
    ObjectNode json = Json.readObject(index);
    Fields fields = Fields.of(index.toString(), json);
    if (fields.object("weight_map").isEmpty()
        || !(json.get("weight_map") instanceof ObjectNode map)
        || map.isEmpty()) {
      throw fields.problem("weight_map", "is missing or empty");
    }
    Map<String, String> weightMap = new TreeMap<>();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String shard = entry.getValue().isString() ? entry.getValue().stringValue() : "";
      if (!isPlainName(shard)) {
        throw new CheckpointException(
            "%s: tensor %s is said to be in %s, which is no plain *.safetensors file name"
                .formatted(
                    index,
                    Texts.quote(entry.getKey()),
                    Texts.printable(entry.getValue().toString())));
      }
      weightMap.put(entry.getKey(), shard);
    }
    if (weightMap.values().stream().distinct().count() > MAX_SHARDS) {
      throw fields.problem("weight_map", "names more than " + MAX_SHARDS + " files");
    }
    return weightMap;
  }

  /** No separators of any system, no drive letters, nothing hidden, nothing unnameable. */
  private static boolean isPlainName(String name) {
    return name.endsWith(".safetensors")
        && name.length() <= 255
        && !name.startsWith(".")
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ' || c == 127)
        && isNameable(name);
  }

  /** Half a surrogate pair, say, or letters that the system's own encoding lacks. */
  private static boolean isNameable(String name) {
    try {
      return Path.of(name).getNameCount() == 1;
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /**
   * Refuses a symbolic link that leaves the directory. The one exception is Hugging Face's cache,
   * where {@code snapshots/<revision>} holds links to the {@code blobs} folder beside it.
   */
  static Path requireInside(Path directory, Path file) {
    try {
      Path home = directory.toRealPath();
      Path real = file.toRealPath();
      Path up = home.getParent();
      boolean cached =
          up != null && up.endsWith("snapshots") && real.startsWith(up.resolveSibling("blobs"));
      if (!real.startsWith(home) && !cached) {
        throw new CheckpointException(
            file + ": is a symbolic link out of the directory, to " + real);
      }
      return file;
    } catch (IOException e) {
      throw new CheckpointException(file + ": cannot be read: " + Texts.reason(e), e);
    }
  }
}
