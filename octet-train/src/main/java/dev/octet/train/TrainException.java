package dev.octet.train;

import java.io.Serial;

/** Training cannot go on; the message says what was wrong, where, and what would work. */
public final class TrainException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  public TrainException(String message) {
    super(message);
  }

  public TrainException(String message, Throwable cause) {
    super(message, cause);
  }
}
