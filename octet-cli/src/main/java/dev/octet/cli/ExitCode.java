package dev.octet.cli;

/** Exit statuses of every command. */
public final class ExitCode {
  /** What was asked for was done, and holds. */
  public static final int OK = 0;

  /** What was asked was answered, and the answer is no: a case failed, a limit was passed. */
  public static final int FAILED = 1;

  /** Bad input: an option, a file, a model. */
  public static final int BAD_INPUT = 2;

  /** A fault of Octet itself (EX_SOFTWARE of sysexits.h). */
  public static final int INTERNAL = 70;

  private ExitCode() {}
}
