package dev.octet.bench.peer;

import java.util.List;

/**
 * A peer whose libraries are loaded. It is opened, used and closed by one thread: OpenMP keeps the
 * number of threads with the thread that asked for it.
 */
public interface PeerSession extends AutoCloseable {
  /** The peer's own version. */
  String version();

  /** The instruction set that it chose, in its own words. */
  String isa();

  /**
   * Its ways to multiply, each in the layout it likes best; none if it has none.
   *
   * @throws PeerException for a shape that it cannot do
   */
  default List<PeerProgram> linear(LinearTask task) {
    return List.of();
  }

  /**
   * Its ways to attend; none if it has none.
   *
   * @throws PeerException for a shape that it cannot do
   */
  default List<PeerProgram> attention(AttentionTask task) {
    return List.of();
  }

  /**
   * Its models of that shape; none if it has none.
   *
   * @throws PeerException for a shape that it cannot do
   */
  default List<PeerModel> models(ModelTask task) {
    return List.of();
  }

  @Override
  void close();
}
