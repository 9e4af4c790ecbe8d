package dev.octet.checkpoint.compressedtensors;

import dev.octet.checkpoint.internal.Fields;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/**
 * One entry of {@code targets} or {@code ignore}: a module's name, a class name, or {@code re:} and
 * a regular expression that must match from the start of the name, as Python's {@code re.match}.
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
  private final @Nullable Pattern pattern;
  private final Fields fields;
  private final String field;

  Target(Fields fields, String field, String text) {
    this.fields = fields;
    this.field = field;
    this.text = text;
    try {
      this.pattern = text.startsWith("re:") ? Pattern.compile(text.substring(3)) : null;
    } catch (PatternSyntaxException | StackOverflowError e) {
      throw fields.problem(field, "holds the broken regular expression '%s'".formatted(text));
    }
  }

  Match match(String module) {
    if (pattern != null) {
      return matches(pattern, module) ? Match.PATTERN : Match.NONE;
    }
    if (text.equals(module)) {
      return Match.NAME;
    }
    return text.equals("Linear") ? Match.CLASS : Match.NONE;
  }

  private boolean matches(Pattern regex, String module) {
    try {
      return regex.matcher(new Budget(module)).lookingAt();
    } catch (Budget.Spent | StackOverflowError e) {
      throw fields.problem(
          field, "holds a regular expression that takes too long: '%s'".formatted(text));
    }
  }

  /** A name that gives out after so many looks: backtracking of a hostile pattern ends. */
  private record Budget(String text, int[] left) implements CharSequence {
    static final class Spent extends RuntimeException {
      private static final long serialVersionUID = 1L;
    }

    Budget(String text) {
      this(text, new int[] {1_000_000});
    }

    @Override
    public int length() {
      return text.length();
    }

    @Override
    public char charAt(int index) {
      if (--left[0] < 0) {
        throw new Spent();
      }
      return text.charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
      return text.substring(start, end);
    }

    @Override
    public String toString() {
      return text;
    }
  }
}
