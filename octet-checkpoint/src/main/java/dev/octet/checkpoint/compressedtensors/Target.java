package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.NamePattern;
import java.util.Optional;

/**
 * One entry of {@code targets} or {@code ignore}: a module's name, a class name, or {@code re:} and
 * a regular expression.
 */
final class Target {
  /** How specific a match is; the most specific group wins. */
  enum Match {
    NONE,
    CLASS,
    PATTERN,
    NAME
  }

  private final String text;
  private final Optional<NamePattern> pattern;

  Target(Fields fields, String field, String text) {
    this.text = text;
    this.pattern = NamePattern.behind("re:", fields, field, text);
  }

  Match match(String module) {
    if (pattern.isPresent()) {
      return pattern.get().matches(module) ? Match.PATTERN : Match.NONE;
    }
    if (text.equals(module)) {
      return Match.NAME;
    }
    return text.equals("Linear") ? Match.CLASS : Match.NONE;
  }
}
