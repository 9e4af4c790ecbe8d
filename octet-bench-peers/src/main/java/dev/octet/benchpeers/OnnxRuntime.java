package dev.octet.benchpeers;

import dev.octet.bench.peer.Peer;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Work;
import java.util.Set;

/** ONNX Runtime's CPU kernels for language models. */
public final class OnnxRuntime implements Peer {
  /** Made by the service loader. */
  public OnnxRuntime() {}

  @Override
  public String name() {
    return "onnxruntime";
  }

  @Override
  public Set<Work> works() {
    return Set.of(Work.LINEAR, Work.ATTENTION);
  }

  @Override
  public PeerSession open(int threads) {
    return NativeLoading.load(name(), () -> new OnnxRuntimeSession(threads));
  }
}
