package dev.octet.bench;

import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.Peers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Locale;

/** Holds a peer's result against the right one: a peer that computes something else is not fast. */
final class PeerCheck {
  private PeerCheck() {}

  /**
   * Runs the program once and gives its error.
   *
   * @param right F32
   * @throws PeerException if the error is beyond what the program's precision explains
   */
  static double error(Peers.Entry entry, Tensor right) {
    PeerProgram program = entry.program();
    program.run();
    double error;
    try (Arena arena = Arena.ofShared()) {
      Tensor got = Tensor.allocate(arena, DType.F32, right.shape());
      for (long i = 0; i < got.size(); i++) {
        got.setFloat(i, Float.NaN); // so that what is not written shows
      }
      program.result(got);
      error = relativeError(got, right);
    }
    double limit = program.precision().limit();
    if (!(error <= limit)) {
      throw new PeerException(
          String.format(
              Locale.ROOT,
              "%s computes something else: its result differs from ours by %.3g %%, %s explains"
                  + " %.3g %%; leave it out with --compare=NAMES",
              entry.label(),
              error * 100,
              program.precision().name().toLowerCase(Locale.ROOT),
              limit * 100));
    }
    return error;
  }

  /** Sum of absolute differences over the sum of absolute values of {@code right}; NaN stays. */
  static double relativeError(Tensor got, Tensor right) {
    double error = 0;
    double total = 0;
    for (long i = 0; i < right.size(); i++) {
      error += Math.abs(got.getFloat(i) - right.getFloat(i));
      total += Math.abs(right.getFloat(i));
    }
    return error / total;
  }
}
