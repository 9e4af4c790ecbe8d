package dev.octet.benchpeers;

import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Work;
import java.nio.file.Path;
import java.util.Set;

/**
 * llama.cpp with the kernels for this very processor, from a folder of its libraries: {@code
 * OCTET_LLAMA_CPP}, or the one that {@code ./octet} fetches.
 */
public final class LlamaCpp implements Peer {
  /** Made by the service loader. */
  public LlamaCpp() {}

  @Override
  public String name() {
    return "llamacpp";
  }

  @Override
  public Set<Work> works() {
    return Set.of(Work.MODEL);
  }

  @Override
  public PeerSession open(int threads) {
    return NativeLoading.load(name(), () -> new LlamaCppSession(folder(), threads));
  }

  /** Where the libraries should be. */
  static Path folder() {
    String chosen = System.getenv("OCTET_LLAMA_CPP");
    return chosen != null && !chosen.isEmpty()
        ? Path.of(chosen)
        : Path.of(System.getProperty("octet.home", "."), ".octet", "peers", "llama.cpp");
  }
}
