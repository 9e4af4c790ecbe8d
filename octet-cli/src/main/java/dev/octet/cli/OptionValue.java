package dev.octet.cli;

import java.util.function.Function;
import java.util.function.Supplier;

/** Values of options that something below the command line reads. */
final class OptionValue {
  private OptionValue() {}

  /**
   * Makes something of several options.
   *
   * @param make throws an IllegalArgumentException that begins with the name of an option, without
   *     its dashes
   * @throws CliException if they do not go together
   */
  static <T> T named(Supplier<T> make) {
    try {
      return make.get();
    } catch (IllegalArgumentException e) {
      throw new CliException("--" + e.getMessage(), e);
    }
  }

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
