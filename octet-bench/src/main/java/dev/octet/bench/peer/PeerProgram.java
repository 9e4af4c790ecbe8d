package dev.octet.bench.peer;

import dev.octet.tensor.Tensor;

/** One computation of a peer, its inputs converted and packed. */
public interface PeerProgram extends AutoCloseable {
  /** What tells it from the peer's other programs: {@code bf16}. */
  String variant();

  /** What the result is held to. */
  Precision precision();

  /** Bytes of weight or cache that one run reads. */
  long bytes();

  /** Computes once; the result stays inside until it is asked for. */
  void run();

  /**
   * Copies the result of the last run.
   *
   * @param out F32, contiguous, of the task's shape
   */
  void result(Tensor out);

  @Override
  void close();
}
