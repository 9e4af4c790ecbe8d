package dev.octet.checkpoint;

/**
 * A checkpoint that may well be sound, in a format or of an architecture that this build does not
 * read. The message names the file, what was found, and what is read.
 */
public final class UnsupportedCheckpointException extends CheckpointException {
  private static final long serialVersionUID = 1L;

  public UnsupportedCheckpointException(String message) {
    super(message);
  }
}
