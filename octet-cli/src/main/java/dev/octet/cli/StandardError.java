package dev.octet.cli;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * The real standard error. The launcher puts a filter on descriptor 2 that drops one line, the VM's
 * notice that the Vector API is an incubator module, and keeps the real stream open under the
 * number in {@code octet.stderr}; going around the filter keeps progress bars immediate.
 */
final class StandardError {
  private StandardError() {}

  static PrintStream open() {
    String descriptor = System.getProperty("octet.stderr", "");
    if (!descriptor.matches("[0-9]")) {
      return System.err;
    }
    try {
      // Appending, because opening the descriptor of a plain file would otherwise empty it.
      return new PrintStream(
          new FileOutputStream("/dev/fd/" + descriptor, true), true, StandardCharsets.UTF_8);
    } catch (IOException e) {
      // A socket, or a terminal of another user, cannot be opened again; the filter still serves.
      return System.err;
    }
  }
}
