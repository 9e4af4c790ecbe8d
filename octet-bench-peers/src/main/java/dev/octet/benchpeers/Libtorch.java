package dev.octet.benchpeers;

import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Work;
import java.util.Set;

/** PyTorch's C++ library, through the bindings of bytedeco. */
public final class Libtorch implements Peer {
  /** Made by the service loader. */
  public Libtorch() {}

  @Override
  public String name() {
    return "libtorch";
  }

  @Override
  public Set<Work> works() {
    return Set.of(Work.LINEAR, Work.ATTENTION);
  }

  @Override
  public PeerSession open(int threads) {
    return NativeLoading.load(name(), () -> new LibtorchSession(threads));
  }
}
