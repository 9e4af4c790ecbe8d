package dev.octet.bench.conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A JSON object with typed access; what does not fit is a {@link CaseException} with its place. */
final class CaseJson {
  private static final long MAX_BYTES = 16 << 20;
  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  private final Path file;
  private final String where;
  private final JsonNode node;

  private CaseJson(Path file, String where, JsonNode node) {
    this.file = file;
    this.where = where;
    this.node = node;
    if (!node.isObject()) {
      throw new CaseException(
          file + ": " + (where.isEmpty() ? "not" : where + " is no") + " object");
    }
  }

  static CaseJson read(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new CaseException(file + ": larger than " + MAX_BYTES + " bytes");
      }
      return new CaseJson(file, "", MAPPER.readTree(Files.readString(file)));
    } catch (IOException e) {
      throw new CaseException(file + ": cannot be read: " + e.getMessage());
    } catch (JacksonException e) {
      throw new CaseException(file + ": no JSON: " + e.getOriginalMessage());
    }
  }

  /** Field names that are not among {@code known}. */
  List<String> keysBeyond(Set<String> known) {
    return node.propertyNames().stream().filter(k -> !known.contains(k)).toList();
  }

  List<String> keys() {
    return List.copyOf(node.propertyNames());
  }

  String text(String field) {
    return required(field, JsonNode::isString, "a text").stringValue();
  }

  Optional<String> optionalText(String field) {
    return optional(field).filter(JsonNode::isString).map(JsonNode::stringValue);
  }

  boolean flag(String field) {
    return required(field, JsonNode::isBoolean, "true or false").booleanValue();
  }

  double number(String field) {
    return required(field, JsonNode::isNumber, "a number").doubleValue();
  }

  /** A number that must be positive and finite where it is given. */
  double limit(String field) {
    if (optional(field).isEmpty()) {
      return Double.POSITIVE_INFINITY;
    }
    double limit = number(field);
    if (!(limit >= 0) || Double.isInfinite(limit)) {
      throw wrong(field, "a limit of 0 or more");
    }
    return limit;
  }

  int positive(String field) {
    JsonNode value = required(field, JsonNode::isIntegralNumber, "a whole number");
    if (!value.canConvertToInt() || value.intValue() < 1) {
      throw wrong(field, "at least 1");
    }
    return value.intValue();
  }

  int integer(String field) {
    JsonNode value = required(field, JsonNode::isIntegralNumber, "a whole number");
    if (!value.canConvertToInt()) {
      throw wrong(field, "a 32-bit number");
    }
    return value.intValue();
  }

  boolean isNumber(String field) {
    return optional(field).filter(JsonNode::isNumber).isPresent();
  }

  /** Whether the field is there and not null. */
  boolean has(String field) {
    return optional(field).isPresent();
  }

  CaseJson object(String field) {
    return new CaseJson(file, place(field), required(field, JsonNode::isObject, "an object"));
  }

  boolean isObject(String field) {
    return optional(field).filter(JsonNode::isObject).isPresent();
  }

  List<CaseJson> objects(String field) {
    if (optional(field).isEmpty()) {
      return List.of();
    }
    List<CaseJson> list = new ArrayList<>();
    for (JsonNode item : required(field, JsonNode::isArray, "an array")) {
      list.add(new CaseJson(file, place(field) + "[" + list.size() + "]", item));
    }
    return list;
  }

  List<String> texts(String field) {
    if (optional(field).isEmpty()) {
      return List.of();
    }
    List<String> list = new ArrayList<>();
    for (JsonNode item : required(field, JsonNode::isArray, "an array")) {
      if (!item.isString()) {
        throw wrong(field, "an array of texts");
      }
      list.add(item.stringValue());
    }
    return list;
  }

  /** A path inside the directory of this file; it need not exist. */
  Path path(String field) {
    String name = text(field);
    try {
      Path directory = file.toAbsolutePath().normalize().getParent();
      Path path = directory == null ? null : directory.resolve(name).normalize();
      if (path != null && path.startsWith(directory) && !path.equals(directory)) {
        return path;
      }
    } catch (InvalidPathException _) {
      // reported below like a path that leaves the directory
    }
    throw wrong(field, "a path inside the case's directory");
  }

  private Optional<JsonNode> optional(String field) {
    return Optional.ofNullable(node.get(field)).filter(n -> !n.isNull());
  }

  private JsonNode required(String field, Predicate<JsonNode> type, String what) {
    JsonNode value =
        optional(field)
            .orElseThrow(
                () -> new CaseException(file + ": field '" + place(field) + "' is missing"));
    if (!type.test(value)) {
      throw wrong(field, what);
    }
    return value;
  }

  private CaseException wrong(String field, String what) {
    return new CaseException(
        file + ": field '" + place(field) + "' must be " + what + ", not " + node.get(field));
  }

  private String place(String field) {
    return where.isEmpty() ? field : where + "." + field;
  }
}
