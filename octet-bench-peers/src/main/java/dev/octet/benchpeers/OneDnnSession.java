package dev.octet.benchpeers;

import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Precision;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.Loader;

/** oneDNN's matmul in INT8, BF16 and F32, weights packed once into the layout it asks for. */
final class OneDnnSession implements PeerSession {
  private final OneDnnLibrary library;
  private final engine cpu;
  private final stream queue;

  OneDnnSession(int threads) {
    Path binding = Path.of(Objects.requireNonNull(Loader.load(dnnl.class)));
    library = new OneDnnLibrary(binding.resolveSibling("libdnnl.so.3"));
    library.threads(threads);
    cpu = new engine(org.bytedeco.dnnl.engine.kind.cpu, 0);
    queue = new stream(cpu);
  }

  @Override
  public String version() {
    return dnnl.DNNL_VERSION_MAJOR + "." + dnnl.DNNL_VERSION_MINOR + "." + dnnl.DNNL_VERSION_PATCH;
  }

  @Override
  public String isa() {
    return library.isa();
  }

  @Override
  public List<PeerProgram> linear(LinearTask task) {
    List<PeerProgram> programs = new ArrayList<>();
    try {
      for (Precision precision : List.of(Precision.INT8, Precision.BF16, Precision.F32)) {
        programs.add(
            NativeLoading.prepare("oneDNN", () -> new OneDnnLinear(cpu, queue, task, precision)));
      }
      return programs;
    } catch (RuntimeException e) {
      programs.forEach(PeerProgram::close);
      throw e;
    }
  }

  @Override
  public void close() {
    queue.close();
    cpu.close();
  }
}
