package dev.octet.benchpeers;

import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Work;
import java.util.Set;

/** oneDNN, Intel's kernels for CPUs, through the bindings of bytedeco. */
public final class OneDnn implements Peer {
  /** Made by the service loader. */
  public OneDnn() {}

  @Override
  public String name() {
    return "onednn";
  }

  @Override
  public Set<Work> works() {
    return Set.of(Work.LINEAR);
  }

  @Override
  public PeerSession open(int threads) {
    return NativeLoading.load(name(), () -> new OneDnnSession(threads));
  }
}
