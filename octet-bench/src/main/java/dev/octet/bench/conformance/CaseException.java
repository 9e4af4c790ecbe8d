package dev.octet.bench.conformance;

/** A case that cannot be run as described: the message says which file and field, and why. */
final class CaseException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  CaseException(String message) {
    super(message);
  }
}
