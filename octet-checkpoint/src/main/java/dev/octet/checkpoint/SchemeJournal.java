package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Remembers every layer's scheme across interruptions: one JSON line a layer, written before the
 * layer's tensors. A line for a layer whose tensors never came does no harm.
 */
final class SchemeJournal {
  private static final String NAME = "schemes.jsonl";

  private final Path file;
  private final SortedMap<String, ObjectNode> schemes = new TreeMap<>();

  SchemeJournal(Path folder) throws IOException {
    this.file = folder.resolve(NAME);
    if (Files.exists(file)) {
      Files.readString(file).lines().forEach(this::read);
    }
  }

  /** The last line may be cut off; its layer is not there then either. */
  private void read(String line) {
    try {
      JsonNode node = Json.MAPPER.readTree(line);
      if (node instanceof ObjectNode entry
          && entry.get("module") != null
          && entry.get("scheme") instanceof ObjectNode scheme) {
        schemes.put(entry.get("module").asString(), scheme);
      }
    } catch (JacksonException e) {
      return;
    }
  }

  void put(String module, ObjectNode scheme) throws IOException {
    ObjectNode entry = Json.MAPPER.createObjectNode();
    entry.put("module", module).set("scheme", scheme);
    Files.writeString(
        file,
        "\n" + entry, // a new line first, in case the last one was cut off
        StandardCharsets.UTF_8,
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND);
    read(entry.toString()); // as a later run will: a number's class tells a scheme from its equal
  }

  Optional<ObjectNode> scheme(String module) {
    return Optional.ofNullable(schemes.get(module));
  }

  /** Those of all layers. */
  Collection<ObjectNode> all() {
    return Collections.unmodifiableCollection(schemes.values());
  }

  static void delete(Path result) throws IOException {
    Files.deleteIfExists(result.resolve(NAME));
  }
}
