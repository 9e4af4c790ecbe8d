package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Typed access to the fields of a JSON object. A field that is {@code null} counts as absent; one
 * of the wrong type or out of range is an error that names file and field.
 */
public final class Fields {
  private final String where;
  private final String prefix;
  private final ObjectNode node;

  private Fields(String where, String prefix, ObjectNode node) {
    this.where = where;
    this.prefix = prefix;
    this.node = node;
  }

  /** The fields of a document's top object; {@code where} names the file. */
  public static Fields of(String where, ObjectNode node) {
    return new Fields(where, "", node);
  }

  /** Names of all fields, null ones included. */
  public Set<String> names() {
    Set<String> names = new LinkedHashSet<>();
    node.properties().forEach(p -> names.add(p.getKey()));
    return names;
  }

  /** Whether the field is there and not null. */
  public boolean has(String name) {
    return value(name) != null;
  }

  private @Nullable JsonNode value(String name) {
    JsonNode value = node.get(name);
    return value == null || value.isNull() || value.isMissingNode() ? null : value;
  }

  /** The raw value as JSON text, for comparisons and messages. */
  public String raw(String name) {
    JsonNode value = value(name);
    return value == null ? "null" : value.toString();
  }

  /** An integer in {@code min…max}, if given. */
  public OptionalInt integer(String name, int min, int max) {
    JsonNode value = value(name);
    if (value == null) {
      return OptionalInt.empty();
    }
    boolean fits = value.isIntegralNumber() && value.canConvertToInt();
    if (!fits || value.intValue() < min || value.intValue() > max) {
      throw problem(
          name, "must be an integer from %d to %d, not %s".formatted(min, max, raw(name)));
    }
    return OptionalInt.of(value.intValue());
  }

  /** An integer in {@code min…max} that must be given. */
  public int requireInteger(String name, int min, int max) {
    return integer(name, min, max).orElseThrow(() -> problem(name, "is missing"));
  }

  /** A finite number, if given. */
  public OptionalDouble number(String name) {
    JsonNode value = value(name);
    if (value == null) {
      return OptionalDouble.empty();
    }
    if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
      throw problem(name, "must be a finite number, not " + raw(name));
    }
    return OptionalDouble.of(value.doubleValue());
  }

  /** A finite number greater than 0, if given. */
  public OptionalDouble positive(String name) {
    OptionalDouble value = number(name);
    if (value.isPresent() && value.getAsDouble() <= 0) {
      throw problem(name, "must be greater than 0, not " + raw(name));
    }
    return value;
  }

  /** A finite number that must be given and be greater than 0. */
  public double requirePositive(String name) {
    return positive(name).orElseThrow(() -> problem(name, "is missing"));
  }

  /** A boolean, {@code fallback} if absent. */
  public boolean flag(String name, boolean fallback) {
    JsonNode value = value(name);
    if (value == null) {
      return fallback;
    }
    if (!value.isBoolean()) {
      throw problem(name, "must be true or false, not " + raw(name));
    }
    return value.booleanValue();
  }

  /** A string, if given. */
  public Optional<String> text(String name) {
    JsonNode value = value(name);
    if (value == null) {
      return Optional.empty();
    }
    if (!value.isString()) {
      throw problem(name, "must be a string, not " + raw(name));
    }
    return Optional.of(value.stringValue());
  }

  /** A string that must be given. */
  public String requireText(String name) {
    return text(name).orElseThrow(() -> problem(name, "is missing"));
  }

  /** A list of strings; empty if absent. */
  public List<String> texts(String name) {
    List<String> list = new ArrayList<>();
    for (JsonNode item : array(name)) {
      if (!item.isString()) {
        throw problem(name, "must be an array of strings, not " + raw(name));
      }
      list.add(item.stringValue());
    }
    return list;
  }

  /** One integer or an array of them; empty if absent. */
  public List<Integer> integers(String name) {
    JsonNode value = value(name);
    if (value != null && value.isIntegralNumber()) {
      return List.of(integer(name, Integer.MIN_VALUE, Integer.MAX_VALUE).orElseThrow());
    }
    List<Integer> list = new ArrayList<>();
    for (JsonNode item : array(name)) {
      if (!item.isIntegralNumber() || !item.canConvertToInt()) {
        throw problem(name, "must hold integers, not " + raw(name));
      }
      list.add(item.intValue());
    }
    return list;
  }

  private Iterable<JsonNode> array(String name) {
    JsonNode value = value(name);
    if (value == null) {
      return List.of();
    }
    if (!value.isArray()) {
      throw problem(name, "must be an array, not " + raw(name));
    }
    return value;
  }

  /** A nested object, if given. */
  public Optional<Fields> object(String name) {
    JsonNode value = value(name);
    if (value == null) {
      return Optional.empty();
    }
    if (!(value instanceof ObjectNode object)) {
      throw problem(name, "must be an object, not " + raw(name));
    }
    return Optional.of(new Fields(where, prefix + name + ".", object));
  }

  /** A list of objects; empty if absent. */
  public List<Fields> objects(String name) {
    List<Fields> list = new ArrayList<>();
    for (JsonNode item : array(name)) {
      if (!(item instanceof ObjectNode object)) {
        throw problem(name, "must be an array of objects, not " + raw(name));
      }
      list.add(new Fields(where, prefix + name + "[" + list.size() + "].", object));
    }
    return list;
  }

  /** Whether the field is given and says something: not null, not an empty object or array. */
  public boolean isFilled(String name) {
    JsonNode value = value(name);
    return value != null && !(value.isContainer() && value.isEmpty());
  }

  /** An error about a field. */
  public CheckpointException problem(String name, String what) {
    return new CheckpointException(text(name, what));
  }

  /** An error about a field that asks for something this build does not do. */
  public UnsupportedCheckpointException unsupported(String name, String what) {
    return new UnsupportedCheckpointException(text(name, what));
  }

  private String text(String name, String what) {
    return "%s: field '%s' %s"
        .formatted(where, prefix + Texts.printable(name), Texts.shorten(what));
  }
}
