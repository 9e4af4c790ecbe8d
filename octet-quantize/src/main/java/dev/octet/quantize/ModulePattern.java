package dev.octet.quantize;

import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Which modules a name on {@code --ignore} means: an exact name; a glob with {@code *} and {@code
 * ?}; after {@code re:} a regular expression that matches from the start of the name, as in
 * compressed-tensors.
 */
public final class ModulePattern {
  private static final String REGEX = "re:";

  private final String text;
  private final Pattern pattern;
  private final boolean prefix;

  private ModulePattern(String text, Pattern pattern, boolean prefix) {
    this.text = text;
    this.pattern = pattern;
    this.prefix = prefix;
  }

  /**
   * @throws IllegalArgumentException for an empty pattern or a broken regular expression
   */
  public static ModulePattern of(String text) {
    if (text.isBlank()) {
      throw new IllegalArgumentException("an empty module pattern matches nothing");
    }
    if (!text.startsWith(REGEX)) {
      return new ModulePattern(text, Pattern.compile(glob(text)), false);
    }
    try {
      return new ModulePattern(text, Pattern.compile(text.substring(REGEX.length())), true);
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException(
          "'%s' is no regular expression: %s".formatted(text, e.getDescription()), e);
    }
  }

  private static String glob(String text) {
    StringBuilder regex = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '*' -> regex.append(".*");
        case '?' -> regex.append('.');
        default -> regex.append(Pattern.quote(String.valueOf(c)));
      }
    }
    return regex.toString();
  }

  /** Whether a module, named in full ({@code model.layers.0.mlp.up_proj}), is meant. */
  public boolean matches(String module) {
    var matcher = pattern.matcher(module);
    return prefix ? matcher.lookingAt() : matcher.matches();
  }

  @Override
  public String toString() {
    return text;
  }
}
