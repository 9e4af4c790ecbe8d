package dev.octet.checkpoint.gguf;

/** A matrix whose rows are blocks already: written as it is, nothing is rounded. */
interface BlockRows {
  long rows();

  long columns();

  /**
   * Writes the blocks of a row; called from several threads.
   *
   * @param out gets the row's bytes from {@code at} on
   */
  void encode(long row, byte[] out, int at);
}
