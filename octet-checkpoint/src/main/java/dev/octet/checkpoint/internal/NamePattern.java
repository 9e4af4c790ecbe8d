package dev.octet.checkpoint.internal;

import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression from a stranger that must match a module's name from its start, as Python's
 * {@code re.match}. One that backtracks without end is an error, not a hang.
 */
public final class NamePattern {
  private static final Pattern NAMED = Pattern.compile("\\(\\?P<(\\w{1,64})>");
  private static final Pattern NAMED_AGAIN = Pattern.compile("\\(\\?P=(\\w{1,64})\\)");

  private final Pattern pattern;
  private final String text;
  private final Fields fields;
  private final String field;

  /**
   * Compiles it.
   *
   * @param fields where it was read
   * @param field the field it is in, for messages
   */
  public NamePattern(Fields fields, String field, String text) {
    this.text = text;
    this.fields = fields;
    this.field = field;
    try {
      this.pattern = Pattern.compile(java(text));
    } catch (PatternSyntaxException | StackOverflowError e) {
      throw fields.problem(field, "holds the broken regular expression '%s'".formatted(text));
    }
  }

  /** Python's named groups in Java's spelling, which knows letters and digits only. */
  private static String java(String python) {
    String named =
        NAMED.matcher(python).replaceAll(m -> Matcher.quoteReplacement("(?<" + id(m) + ">"));
    return NAMED_AGAIN
        .matcher(named)
        .replaceAll(m -> Matcher.quoteReplacement("\\k<" + id(m) + ">"));
  }

  private static String id(MatchResult match) {
    StringBuilder id = new StringBuilder("g");
    match.group(1).chars().forEach(c -> id.append('x').append(Integer.toHexString(c)));
    return id.toString();
  }

  /** A pattern with {@code *} and {@code ?} as in file names, for the whole name. */
  public static NamePattern glob(Fields fields, String field, String glob) {
    StringBuilder regex = new StringBuilder();
    for (int i = 0; i < glob.length(); i++) {
      String c = glob.substring(i, i + 1);
      regex.append(
          switch (c) {
            case "*" -> ".*";
            case "?" -> ".";
            default -> Pattern.quote(c);
          });
    }
    return new NamePattern(fields, field, regex.append('$').toString());
  }

  /** Whether a name matches. */
  public boolean matches(String module) {
    try {
      return pattern.matcher(new Budget(module)).lookingAt();
    } catch (Budget.Spent | StackOverflowError e) {
      throw fields.problem(
          field, "holds a regular expression that takes too long: '%s'".formatted(text));
    }
  }

  /** The pattern behind a prefix such as {@code re:}; empty if the text has another. */
  public static Optional<NamePattern> behind(
      String prefix, Fields fields, String field, String text) {
    return text.startsWith(prefix)
        ? Optional.of(new NamePattern(fields, field, text.substring(prefix.length())))
        : Optional.empty();
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
