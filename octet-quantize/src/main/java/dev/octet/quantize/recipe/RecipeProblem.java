package dev.octet.quantize.recipe;

/** What is wrong with a recipe, in one line, whatever is quoted from the file. */
final class RecipeProblem {
  /** Characters of a message, without where it is. */
  private static final int LONGEST = 600;

  private RecipeProblem() {}

  static IllegalArgumentException at(String where, int line, String what) {
    return new IllegalArgumentException("%s: line %d: %s".formatted(where, line, oneLine(what)));
  }

  static IllegalArgumentException in(String where, String what, Throwable cause) {
    return new IllegalArgumentException(where + ": " + oneLine(what), cause);
  }

  /** Texts of a file may have line breaks and any length. */
  private static String oneLine(String what) {
    String line = what.replaceAll("[\\p{Cntrl}\\x85\\u2028\\u2029]+", " ");
    return line.length() <= LONGEST ? line : line.substring(0, LONGEST) + " …";
  }
}
