package dev.octet.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;

/**
 * The real standard error. The launcher puts a filter on descriptor 2 that drops one line, the VM's
 * notice that the Vector API is an incubator module, and keeps the real stream open under the
 * number in {@code octet.stderr}; going around the filter keeps progress bars immediate and the
 * last line before the exit.
 *
 * <p>The descriptor must be used as it is: opening {@code /dev/fd/3} anew would give a plain file a
 * second write position. The JDK has no public way to wrap a number; the launcher opens {@code
 * java.io} to this module for it.
 */
final class StandardError {
  private StandardError() {}

  static PrintStream open() {
    String number = System.getProperty("octet.stderr", "");
    if (!number.matches("[0-9]")) {
      return System.err;
    }
    try {
      Constructor<FileDescriptor> wrap = FileDescriptor.class.getDeclaredConstructor(int.class);
      if (!wrap.trySetAccessible()) {
        return System.err;
      }
      FileDescriptor descriptor = wrap.newInstance(Integer.parseInt(number));
      return new PrintStream(new FileOutputStream(descriptor), true, StandardCharsets.UTF_8);
    } catch (ReflectiveOperationException e) {
      return System.err; // through the filter: a moment later, and otherwise the same
    }
  }
}
