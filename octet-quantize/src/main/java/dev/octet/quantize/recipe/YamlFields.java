package dev.octet.quantize.recipe;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Typed access to the keys of a map; every error names file, line and key. */
final class YamlFields {
  private final String where;
  private final Yaml.Keys keys;

  /**
   * @param what the map is, for messages
   * @param known all keys that may occur
   * @throws IllegalArgumentException if another key occurs
   */
  YamlFields(String where, String what, Yaml.Keys keys, List<String> known) {
    this.where = where;
    this.keys = keys;
    keys.entries()
        .forEach(
            (key, value) -> {
              if (!known.contains(key)) {
                throw problem(
                    value.line(),
                    known.isEmpty()
                        ? "%s takes no options, not '%s'".formatted(what, key)
                        : "unknown key '%s' of %s; known are %s"
                            .formatted(key, what, String.join(", ", known)));
              }
            });
  }

  int line() {
    return keys.line();
  }

  /** The line of what stands there, or of the map if nothing does. */
  int line(String key) {
    Yaml value = keys.entries().get(key);
    return value == null ? line() : value.line();
  }

  /** What stands there; null if nothing. */
  @Nullable Yaml value(String key) {
    Yaml value = keys.entries().get(key);
    if (value instanceof Yaml.Nothing) {
      throw problem(value.line(), "'" + key + "' has no value");
    }
    return value;
  }

  /** A text, if given. */
  Optional<String> text(String key) {
    Yaml value = value(key);
    if (value == null) {
      return Optional.empty();
    }
    if (value instanceof Yaml.Text(_, String text)) {
      return Optional.of(text);
    }
    throw problem(value.line(), "'" + key + "' must be a single value");
  }

  /** A text that is turned into something; what refuses it says why. */
  <T> Optional<T> parsed(String key, Function<String, T> parse) {
    Optional<String> text = text(key);
    try {
      return text.map(parse);
    } catch (IllegalArgumentException e) {
      String reason =
          e instanceof NumberFormatException
              ? "'" + text.orElse("") + "' is no number"
              : String.valueOf(e.getMessage());
      throw problem(line(key), key + ": " + reason);
    }
  }

  /** A number, if given. */
  OptionalDouble number(String key) {
    Optional<Double> number =
        parsed(
            key,
            text -> {
              double value = Double.parseDouble(text);
              if (!Double.isFinite(value)) {
                throw new IllegalArgumentException("must be finite, not " + text);
              }
              return value;
            });
    return number.isPresent() ? OptionalDouble.of(number.get()) : OptionalDouble.empty();
  }

  /** A whole number, if given. */
  OptionalLong integer(String key, long min, long max) {
    Optional<Long> number =
        parsed(
            key,
            text -> {
              long value = Long.parseLong(text);
              if (value < min || value > max) {
                throw new IllegalArgumentException(
                    "must be from %d to %d, not %d".formatted(min, max, value));
              }
              return value;
            });
    return number.isPresent() ? OptionalLong.of(number.get()) : OptionalLong.empty();
  }

  /** {@code true} or {@code false}; {@code fallback} if not given. */
  boolean flag(String key, boolean fallback) {
    return parsed(
            key,
            text ->
                switch (text) {
                  case "true" -> true;
                  case "false" -> false;
                  default ->
                      throw new IllegalArgumentException("must be true or false, not " + text);
                })
        .orElse(fallback);
  }

  /** A list of texts, or a single one; empty if not given. */
  List<String> texts(String key) {
    Yaml value = value(key);
    List<String> texts = new ArrayList<>();
    for (Yaml item : value == null ? List.<Yaml>of() : items(value)) {
      if (!(item instanceof Yaml.Text(_, String text))) {
        throw problem(item.line(), "'" + key + "' must be a list of texts");
      }
      texts.add(text);
    }
    return texts;
  }

  /** The items of a list; anything else counts as its only item. */
  static List<Yaml> items(Yaml value) {
    return value instanceof Yaml.Items(_, List<Yaml> items) ? items : List.of(value);
  }

  IllegalArgumentException problem(int line, String what) {
    return RecipeProblem.at(where, line, what);
  }
}
