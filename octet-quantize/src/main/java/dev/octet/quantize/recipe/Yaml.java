package dev.octet.quantize.recipe;

import java.util.List;
import java.util.SequencedMap;

/** A node of a YAML document, and the line it begins on. */
sealed interface Yaml {
  int line();

  /** A scalar as it is written, without its quotes. */
  record Text(int line, String text) implements Yaml {}

  /** A key without a value. */
  record Nothing(int line) implements Yaml {}

  /** A list. */
  record Items(int line, List<Yaml> items) implements Yaml {}

  /** A map, in the order of the document. */
  record Keys(int line, SequencedMap<String, Yaml> entries) implements Yaml {}
}
