package dev.octet.train.bpe;

import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts text into the pieces that no merge may cross: words with their leading space, numbers of up
 * to three digits, punctuation, line ends, other white space.
 *
 * <p>The pieces cover the text without gaps. The same expression is written into {@code
 * tokenizer.json}, so it keeps to what Java and Oniguruma understand alike.
 */
final class PreTokenizer {
  static final String REGEX =
      "'(?:[sdmt]|ll|ve|re)"
          + "| ?\\p{L}+"
          + "| ?\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+"
          + "|\\s*[\\r\\n]+"
          + "|\\s+(?!\\S)"
          + "|\\s+";

  private static final Pattern PATTERN = Pattern.compile(REGEX, Pattern.UNICODE_CHARACTER_CLASS);

  private PreTokenizer() {}

  static void split(CharSequence text, Consumer<String> piece) {
    Matcher matcher = PATTERN.matcher(text);
    while (matcher.find()) {
      piece.accept(matcher.group());
    }
  }
}
