package dev.octet.benchpeers;

import dev.octet.bench.peer.AttentionTask;
import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Precision;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.global.torch;

/**
 * libtorch in F32 and BF16: {@code at::linear} and {@code scaled_dot_product_attention}, without
 * autograd.
 */
final class LibtorchSession implements PeerSession {
  /** The library has its version as a macro only, which the bindings leave out. */
  private static final String ARTIFACT = "/META-INF/maven/org.bytedeco/pytorch/pom.properties";

  private final AutoGradMode noGradient = new AutoGradMode(false);

  LibtorchSession(int threads) {
    torch.set_num_threads(threads);
    // Products in F32 go to OpenBLAS, which has threads of its own.
    openblas_nolapack.blas_set_num_threads(threads);
  }

  @Override
  public String version() {
    Properties artifact = new Properties();
    try (InputStream in = torch.class.getResourceAsStream(ARTIFACT)) {
      artifact.load(Objects.requireNonNull(in, ARTIFACT));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return artifact.getProperty("version", "");
  }

  @Override
  public String isa() {
    return torch.get_cpu_capability().getString();
  }

  @Override
  public List<PeerProgram> linear(LinearTask task) {
    return both(precision -> new LibtorchLinear(task, precision));
  }

  @Override
  public List<PeerProgram> attention(AttentionTask task) {
    return both(precision -> new LibtorchAttention(task, precision));
  }

  private interface Maker {
    PeerProgram make(Precision precision);
  }

  private static List<PeerProgram> both(Maker maker) {
    List<PeerProgram> programs = new ArrayList<>();
    try {
      for (Precision precision : List.of(Precision.BF16, Precision.F32)) {
        programs.add(NativeLoading.prepare("libtorch", () -> maker.make(precision)));
      }
      return programs;
    } catch (RuntimeException e) {
      programs.forEach(PeerProgram::close);
      throw e;
    }
  }

  @Override
  public void close() {
    noGradient.close();
  }
}
