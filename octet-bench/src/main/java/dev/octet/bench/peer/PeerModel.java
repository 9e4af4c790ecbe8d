package dev.octet.bench.peer;

/** A peer's model and one sequence of tokens in it. */
public interface PeerModel extends AutoCloseable {
  /** What tells it from the peer's other models: {@code q8_0}. */
  String variant();

  /** Bytes of all weights. */
  long bytes();

  /** Bytes that a pass reads: of an embedding that is not the head as well only a few rows. */
  long bytesRead();

  /** Forgets the sequence. */
  void reset();

  /**
   * Reads tokens after those before and computes the logits of the last one.
   *
   * @throws PeerException if it fails
   */
  void forward(int[] ids);

  /**
   * Looks at the logits of the last token.
   *
   * @throws PeerException if they are no finite numbers or all the same
   */
  void check();

  @Override
  void close();
}
