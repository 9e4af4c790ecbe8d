package dev.octet.cli.output;

/** How many terminal columns a text takes. */
final class DisplayWidth {
  private DisplayWidth() {}

  /**
   * Columns of {@code text}: escape sequences and combining marks take none, East Asian wide
   * characters and emoji two (the W and F classes of Unicode UAX #11, by block).
   */
  static int of(String text) {
    int width = 0;
    for (int i = 0; i < text.length(); ) {
      int point = text.codePointAt(i);
      if (point == 0x1b) {
        i = endOfEscape(text, i);
        continue;
      }
      width += ofCodePoint(point);
      i += Character.charCount(point);
    }
    return width;
  }

  /** {@code text} cut to {@code columns}, with an ellipsis where something was cut. */
  static String fit(String text, int columns) {
    if (columns < 1) {
      return "";
    }
    if (of(text) <= columns) {
      return text;
    }
    StringBuilder cut = new StringBuilder();
    int width = 0;
    for (int i = 0; i < text.length(); ) {
      int point = text.codePointAt(i);
      if (point == 0x1b) {
        int end = endOfEscape(text, i);
        cut.append(text, i, end);
        i = end;
        continue;
      }
      width += ofCodePoint(point);
      if (width > columns - 1) {
        return cut.append('…').toString();
      }
      cut.appendCodePoint(point);
      i += Character.charCount(point);
    }
    return cut.toString();
  }

  private static int endOfEscape(String text, int start) {
    int i = start + 1;
    if (i < text.length() && text.charAt(i) == '[') {
      i++;
      while (i < text.length() && (text.charAt(i) < '@' || text.charAt(i) > '~')) {
        i++;
      }
      i++;
    }
    return Math.min(i, text.length());
  }

  private static int ofCodePoint(int point) {
    int type = Character.getType(point);
    if (type == Character.NON_SPACING_MARK
        || type == Character.ENCLOSING_MARK
        || type == Character.FORMAT
        || Character.isISOControl(point)) {
      return 0;
    }
    return isWide(point) ? 2 : 1;
  }

  private static boolean isWide(int point) {
    return (point >= 0x1100 && point <= 0x115f)
        || (point >= 0x2e80 && point <= 0x303e)
        || (point >= 0x3041 && point <= 0xa4cf && point != 0x303f)
        || (point >= 0xac00 && point <= 0xd7a3)
        || (point >= 0xf900 && point <= 0xfaff)
        || (point >= 0xfe30 && point <= 0xfe6f)
        || (point >= 0xff00 && point <= 0xff60)
        || (point >= 0xffe0 && point <= 0xffe6)
        || (point >= 0x1f300 && point <= 0x1f64f)
        || (point >= 0x1f680 && point <= 0x1f6ff)
        || (point >= 0x1f900 && point <= 0x1faff)
        || (point >= 0x20000 && point <= 0x3fffd);
  }
}
