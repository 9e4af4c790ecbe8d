package dev.octet.engine;

/** Hears of every token as it is generated. */
@FunctionalInterface
public interface TokenListener {
  /**
   * @param sequence index in the batch, 0 for a single one
   * @param id the token
   * @param text what became certain with it: often "", never half a code point, nothing of a stop
   *     string; all of a sequence's texts together are {@link Generation#text}
   * @return whether to go on with this sequence
   */
  boolean onToken(int sequence, int id, String text);

  /** Wants all tokens and does nothing with them. */
  static TokenListener none() {
    return (_, _, _) -> true;
  }
}
