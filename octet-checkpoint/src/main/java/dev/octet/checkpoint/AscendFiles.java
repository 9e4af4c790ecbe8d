package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.StoredTensors;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds the files of an Ascend model: {@code quant_model_description.json}, or {@code
 * quant_model_description_w8a8.json} of the first generation, and the weights in {@code
 * quant_model_weight*.safetensors}, whole, by an index, or in numbered parts. A directory that
 * keeps Hugging Face's names for its weights is read as well.
 */
final class AscendFiles {
  static final String DESCRIPTION = "quant_model_description";

  /** What msModelSlim adds to config.json. */
  static final List<String> IN_CONFIG = List.of("quantize", "mla_quantize", "mtp_quantize");

  private static final String WEIGHTS = "quant_model_weight";
  private static final Pattern PART = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.safetensors");

  private AscendFiles() {}

  /** Whether the folder has a description at all. */
  static boolean described(ModelFolder folder) {
    return folder.find(DESCRIPTION + "*.json").isPresent();
  }

  /** The description; of several, the one without a type in its name. */
  static Path description(ModelFolder folder) {
    List<Path> all = folder.findAll(DESCRIPTION + "*.json");
    List<Path> plain = all.stream().filter(f -> name(f).equals(DESCRIPTION + ".json")).toList();
    if (plain.isEmpty() && all.size() > 1) {
      throw new CheckpointException(
          "%s: has several descriptions, %s and %s; keep one"
              .formatted(folder.path(), name(all.get(0)), name(all.get(1))));
    }
    return plain.isEmpty() ? all.getFirst() : plain.getFirst();
  }

  /** The weights that go with a description. */
  static StoredTensors weights(ModelFolder folder, Path description) {
    String type = name(description).replace(DESCRIPTION, "").replace(".json", "");
    List<Path> indices = ofType(folder.findAll(WEIGHTS + "*.safetensors.index.json"), type);
    if (indices.size() == 1) {
      return ModelFiles.openIndexed(folder.path(), indices.getFirst());
    }
    List<Path> files = ofType(folder.findAll(WEIGHTS + "*.safetensors"), type);
    if (files.isEmpty()) {
      return ModelFiles.open(folder.path());
    }
    if (files.size() > 1) {
      requireAllParts(folder, files);
    }
    Map<String, Path> shards = new TreeMap<>();
    files.forEach(file -> shards.put(name(file), file));
    return ModelFiles.openAll(shards);
  }

  /** Those of the type, if any say so; all of them otherwise. */
  private static List<Path> ofType(List<Path> files, String type) {
    List<Path> typed =
        files.stream()
            .filter(f -> name(f).matches(WEIGHTS + "s?" + Pattern.quote(type) + "[-.].*"))
            .toList();
    return typed.isEmpty() ? files : typed;
  }

  private static void requireAllParts(ModelFolder folder, List<Path> files) {
    for (int i = 0; i < files.size(); i++) {
      Matcher part = PART.matcher(name(files.get(i)));
      boolean fits =
          part.matches()
              && Integer.parseInt(part.group(2)) == i + 1
              && Integer.parseInt(part.group(3)) == files.size();
      if (!fits) {
        throw new CheckpointException(
            "%s: %s is not part %d of %d; weights must be one file, or have an index"
                .formatted(folder.path(), name(files.get(i)), i + 1, files.size()));
      }
    }
  }

  private static String name(Path file) {
    return String.valueOf(file.getFileName());
  }
}
