package dev.octet.bench.peer;

import java.util.Set;

/**
 * Another project whose kernels can be measured beside ours: found through {@link
 * java.util.ServiceLoader}, and there only when the optional module that brings it is on the module
 * path.
 */
public interface Peer {
  /** The project, as on the command line: {@code libtorch}. */
  String name();

  /** What it can be measured at. */
  Set<Work> works();

  /**
   * Loads its native libraries.
   *
   * @param threads how many threads it may compute with, at least 1
   * @throws PeerException if they cannot be loaded here
   */
  PeerSession open(int threads);
}
