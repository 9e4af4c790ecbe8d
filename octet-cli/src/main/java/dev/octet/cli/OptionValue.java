package dev.octet.cli;

import java.util.function.Function;

/** Values of options that something below the command line reads. */
final class OptionValue {
  private OptionValue() {}

  /**
   * Reads a value.
   *
   * @param option its name, with which the message begins
   * @param read throws an IllegalArgumentException that says what would work
   * @throws CliException if the value cannot be read
   */
  static <T> T of(String option, Function<String, T> read, String text) {
    try {
      return read.apply(text);
    } catch (IllegalArgumentException e) {
      throw new CliException(option + ": " + e.getMessage(), e);
    }
  }
}
