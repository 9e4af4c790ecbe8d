package dev.octet.benchpeers;

import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerSession;

/** oneDNN, Intel's kernels for CPUs, through the bindings of bytedeco. */
public final class OneDnn implements Peer {
  /** Made by the service loader. */
  public OneDnn() {}

  @Override
  public String name() {
    return "onednn";
  }

  @Override
  public PeerSession open(int threads) {
    return NativeLoading.load(name(), () -> new OneDnnSession(threads));
  }
}
