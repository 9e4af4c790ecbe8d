package dev.octet.bench.peer;

/** A peer that is not there, cannot be loaded, cannot do what was asked, or does it wrongly. */
public final class PeerException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public PeerException(String message) {
    super(message);
  }

  public PeerException(String message, Throwable cause) {
    super(message, cause);
  }
}
