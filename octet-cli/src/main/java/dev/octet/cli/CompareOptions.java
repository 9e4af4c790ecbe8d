package dev.octet.cli;

import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Peers;
import dev.octet.bench.peer.Work;
import dev.octet.cli.output.Terminal;
import java.util.List;
import picocli.CommandLine.Option;

/** {@code --compare}: other projects' kernels in the same rounds. */
final class CompareOptions {
  private static final String ALL = "all";

  @Option(
      names = "--compare",
      paramLabel = "PEER",
      arity = "0..1",
      fallbackValue = ALL,
      split = ",",
      description =
          "run other projects beside ours, in the same rounds: libtorch, onednn, onnxruntime,"
              + " llamacpp (default: all); ./octet fetches them the first time")
  List<String> compare = List.of();

  /**
   * The peers to run beside ours, named on the terminal; none without {@code --compare}. The caller
   * closes them.
   *
   * @throws PeerException if one is not there or cannot be loaded
   */
  Peers open(Work work, int threads, Terminal terminal) {
    if (compare.isEmpty()) {
      return Peers.none();
    }
    List<String> names = compare.equals(List.of(ALL)) ? List.of() : compare;
    Peers peers = Peers.open(work, names, threads);
    peers.describe().forEach(line -> terminal.note("beside " + line));
    return peers;
  }
}
