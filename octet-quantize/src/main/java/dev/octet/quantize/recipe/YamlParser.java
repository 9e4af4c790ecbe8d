package dev.octet.quantize.recipe;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLParser;

/**
 * YAML as far as recipes need it: maps, lists and scalars, of which every one keeps its line. No
 * aliases and no tags; a key occurs once.
 */
final class YamlParser {
  private static final YAMLFactory FACTORY =
      YAMLFactory.builder()
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(16).build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private final String where;
  private final YAMLParser parser;

  private YamlParser(String where, YAMLParser parser) {
    this.where = where;
    this.parser = parser;
  }

  /**
   * Parses one document.
   *
   * @throws IllegalArgumentException if it is none, naming the line
   */
  static Yaml parse(String where, String text) {
    try (YAMLParser parser = (YAMLParser) FACTORY.createParser(ObjectReadContext.empty(), text)) {
      YamlParser document = new YamlParser(where, parser);
      JsonToken first = parser.nextToken();
      if (first == null) {
        throw new IllegalArgumentException(where + ": is empty");
      }
      Yaml root = document.node(first);
      if (parser.nextToken() != null) {
        throw document.problem("a second document begins here; a recipe is one");
      }
      return root;
    } catch (JacksonException e) {
      throw RecipeProblem.in(where, reason(e), e);
    }
  }

  private static String reason(JacksonException e) {
    String message = String.valueOf(e.getOriginalMessage()).lines().findFirst().orElse("");
    return e.getLocation() == null
        ? "not valid YAML: " + message
        : "line %d: not valid YAML: %s".formatted(e.getLocation().getLineNr(), message);
  }

  private int line() {
    return parser.currentTokenLocation().getLineNr();
  }

  private IllegalArgumentException problem(String what) {
    return RecipeProblem.at(where, line(), what);
  }

  private Yaml node(JsonToken token) {
    int line = line();
    if (parser.isCurrentAlias()) {
      throw problem("*" + parser.getString() + " is an alias in YAML; put patterns in quotes");
    }
    if (parser.getTypeId() != null) {
      throw problem("tags (!" + parser.getTypeId() + ") have no meaning in a recipe");
    }
    return switch (token) {
      case START_OBJECT -> map(line);
      case START_ARRAY -> list(line);
      case VALUE_NULL -> new Yaml.Nothing(line);
      default -> new Yaml.Text(line, parser.getString());
    };
  }

  private Yaml.Keys map(int line) {
    SequencedMap<String, Yaml> entries = new LinkedHashMap<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String key = parser.currentName();
      entries.put(key, node(parser.nextToken()));
    }
    return new Yaml.Keys(line, entries);
  }

  private Yaml.Items list(int line) {
    List<Yaml> items = new ArrayList<>();
    for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
      items.add(node(t));
    }
    return new Yaml.Items(line, items);
  }
}
