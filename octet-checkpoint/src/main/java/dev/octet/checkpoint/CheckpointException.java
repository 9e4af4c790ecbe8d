package dev.octet.checkpoint;

/**
 * A checkpoint that cannot be read or written. The message is one line for the person at the
 * keyboard: which file, which tensor or field, what is wrong, what would work.
 */
public sealed class CheckpointException extends RuntimeException
    permits UnsupportedCheckpointException {
  private static final long serialVersionUID = 1L;

  public CheckpointException(String message) {
    super(message);
  }

  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
