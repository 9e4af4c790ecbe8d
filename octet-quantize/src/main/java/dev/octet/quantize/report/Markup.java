package dev.octet.quantize.report;

import java.util.Locale;

/** HTML and SVG under construction; text is escaped, so that no file's name becomes markup. */
final class Markup {
  private final StringBuilder text = new StringBuilder();

  /** Opens an element with attributes in pairs: name, value. */
  Markup open(String element, Object... attributes) {
    start(element, attributes).append('>');
    return this;
  }

  /** An element without content. */
  Markup empty(String element, Object... attributes) {
    start(element, attributes).append("/>");
    return this;
  }

  /** An element that holds text. */
  Markup element(String element, String content, Object... attributes) {
    return open(element, attributes).text(content).close(element);
  }

  private StringBuilder start(String element, Object... attributes) {
    text.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      text.append(' ').append(attributes[i]).append("=\"");
      Object value = attributes[i + 1];
      text.append(value instanceof Double d ? number(d) : escape(String.valueOf(value)));
      text.append('"');
    }
    return text;
  }

  Markup close(String element) {
    text.append("</").append(element).append('>');
    return this;
  }

  Markup text(String content) {
    text.append(escape(content));
    return this;
  }

  /** What is markup already. */
  Markup raw(String markup) {
    text.append(markup);
    return this;
  }

  Markup line() {
    text.append('\n');
    return this;
  }

  /** A coordinate: two decimals are a hundredth of a pixel. */
  static String number(double value) {
    String digits = String.format(Locale.ROOT, "%.2f", value);
    return digits.endsWith(".00") ? digits.substring(0, digits.length() - 3) : digits;
  }

  static String escape(String content) {
    return content
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
