package dev.octet.cli.doctor;

/**
 * One thing that was looked at.
 *
 * @param check what, in one or two words
 * @param level how it is
 * @param value what was found
 * @param advice what would work; empty if there is nothing to do
 */
public record Finding(String check, Level level, String value, String advice) {

  /** How something is. */
  public enum Level {
    OK,
    /** Absent, and not needed for the rest. */
    OPTIONAL,
    /** Absent or broken, and needed. */
    MISSING
  }

  static Finding ok(String check, String value) {
    return new Finding(check, Level.OK, value, "");
  }

  static Finding optional(String check, String value, String advice) {
    return new Finding(check, Level.OPTIONAL, value, advice);
  }

  static Finding missing(String check, String value, String advice) {
    return new Finding(check, Level.MISSING, value, advice);
  }
}
