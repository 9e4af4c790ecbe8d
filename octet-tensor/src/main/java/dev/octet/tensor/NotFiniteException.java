package dev.octet.tensor;

/**
 * A computation met a NaN or an infinity where only numbers make sense: weights are damaged, or too
 * large for the type in use. The message says where.
 */
public final class NotFiniteException extends ArithmeticException {
  private static final long serialVersionUID = 1;

  public NotFiniteException(String message) {
    super(message);
  }
}
