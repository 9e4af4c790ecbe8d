package dev.octet.cli.output;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** One JSON object on one line, fields in the order they were put. */
public final class Json {
  private final SequencedMap<String, @Nullable Object> fields = new LinkedHashMap<>();

  /** An object without fields. */
  public Json() {}

  /**
   * Adds a field. Numbers, booleans, null, objects like this one, lists of any of these and text
   * (of anything else) are known; NaN and infinities, which JSON has no spelling for, become null.
   */
  public Json put(String name, @Nullable Object value) {
    fields.put(name, value);
    return this;
  }

  /** Adds the fields of a map, whose keys may be foreign: those that are there already stay. */
  public Json putAll(Map<String, ?> values) {
    values.forEach(
        (name, value) -> {
          if (!fields.containsKey(name)) {
            fields.put(name, value);
          }
        });
    return this;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("{");
    fields.forEach(
        (name, value) -> {
          text.append(text.length() == 1 ? "" : ",");
          quote(name, text);
          text.append(':');
          value(value, text);
        });
    return text.append('}').toString();
  }

  private static void value(@Nullable Object value, StringBuilder text) {
    switch (value) {
      case null -> text.append("null");
      case Double d when !Double.isFinite(d) -> text.append("null");
      case Float f when !Float.isFinite(f) -> text.append("null");
      case Number n -> text.append(n);
      case Boolean b -> text.append(b);
      case Json object -> text.append(object);
      case List<?> list -> {
        text.append('[');
        for (int i = 0; i < list.size(); i++) {
          text.append(i == 0 ? "" : ",");
          value(list.get(i), text);
        }
        text.append(']');
      }
      default -> quote(value.toString(), text);
    }
  }

  private static void quote(String value, StringBuilder text) {
    text.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      switch (c) {
        case '"', '\\' -> text.append('\\').append(c);
        case '\n' -> text.append("\\n");
        case '\r' -> text.append("\\r");
        case '\t' -> text.append("\\t");
        default -> {
          if (c < 0x20) {
            text.append(String.format("\\u%04x", (int) c));
          } else {
            text.append(c);
          }
        }
      }
    }
    text.append('"');
  }
}
