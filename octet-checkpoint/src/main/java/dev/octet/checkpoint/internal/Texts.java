package dev.octet.checkpoint.internal;

/** Foreign text made fit for a one-line message. */
public final class Texts {
  private static final int LONGEST = 160;

  private Texts() {}

  /** The text in single quotes, control characters escaped, cut when long. */
  public static String quote(String text) {
    return "'" + printable(text) + "'";
  }

  /** A message on one line, control characters escaped, cut when very long. */
  public static String shorten(String message) {
    return printable(message, 600);
  }

  /** The text on one line: control characters escaped, cut when long. */
  public static String printable(String text) {
    return printable(text, LONGEST);
  }

  private static String printable(String text, int longest) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      if (i == longest) {
        return out.append('…').toString();
      }
      char c = text.charAt(i);
      if (Character.isISOControl(c) || c == '\u2028' || c == '\u2029') {
        out.append("\\u%04x".formatted((int) c));
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }
}
