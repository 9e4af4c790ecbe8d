package dev.octet.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/**
 * Standard output that remembers whether it took everything: a {@link java.io.PrintStream} swallows
 * the errors of what lies under it, and results that a full disk lost must not end with status 0.
 */
final class StandardOutput extends FilterOutputStream {
  private volatile @Nullable IOException failure;

  StandardOutput(OutputStream out) {
    super(out);
  }

  /** The process's own. */
  static StandardOutput open() {
    return new StandardOutput(new FileOutputStream(FileDescriptor.out));
  }

  @Override
  public void write(int b) throws IOException {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int offset, int length) throws IOException {
    try {
      out.write(bytes, offset, length);
    } catch (IOException e) {
      failure = e;
      throw e;
    }
  }

  /**
   * The exit status of a command that ended with {@code status}: bad input, with a line that says
   * so, if results were lost. A pipe that its reader closed ({@code octet … | head}) lost nothing
   * that anyone wanted.
   */
  int statusAfter(int status, ErrorReport errors) {
    IOException e = failure;
    if (e == null || "Broken pipe".equals(e.getMessage())) {
      return status;
    }
    int lost = errors.report(new CliException("standard output: " + e.getMessage()), false);
    return status == ExitCode.OK ? lost : status;
  }
}
