package dev.octet.benchpeers;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtEnvironment.ThreadingOptions;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import dev.octet.bench.peer.AttentionTask;
import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.PeerProgram;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * {@code MatMulNBits} and {@code GroupQueryAttention}. All programs share one pool of threads: one
 * for every program would spin in the turns of the others.
 */
final class OnnxRuntimeSession implements PeerSession {
  /** There is one a process, whatever is opened and closed. */
  private static @Nullable OrtEnvironment environment;

  private static int environmentThreads;

  private final OrtEnvironment runtime;

  OnnxRuntimeSession(int threads) {
    runtime = environment(threads);
  }

  private static synchronized OrtEnvironment environment(int threads) {
    if (environment == null) {
      // Integer products of queries and INT8 keys: off by default, twice as fast at decoding.
      ProcessEnvironment.offer("ORT_MLAS_QKGEMM_S8_APPROX_VNNI", "1");
      try (ThreadingOptions options = new ThreadingOptions()) {
        options.setGlobalIntraOpNumThreads(threads);
        options.setGlobalInterOpNumThreads(1);
        environment =
            OrtEnvironment.getEnvironment(
                OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, "octet", options);
        environmentThreads = threads;
      } catch (OrtException e) {
        throw new PeerException("onnxruntime: " + e.getMessage(), e);
      }
    } else if (environmentThreads != threads) {
      throw new PeerException(
          "onnxruntime has " + environmentThreads + " threads for as long as the process lives");
    }
    return environment;
  }

  OrtEnvironment runtime() {
    return runtime;
  }

  @Override
  public String version() {
    return runtime.getVersion();
  }

  /** It chooses a kernel for each operator and does not tell. */
  @Override
  public String isa() {
    return "what MLAS chooses";
  }

  @Override
  public List<PeerProgram> linear(LinearTask task) {
    return programs(
        List.of(
            () -> new OnnxLinear(runtime, task, Precision.INT4),
            () -> new OnnxLinear(runtime, task, Precision.INT8)));
  }

  /** Its operator is always causal. */
  @Override
  public List<PeerProgram> attention(AttentionTask task) {
    if (!task.causal() && task.queries() > 1) {
      return List.of();
    }
    return programs(
        List.of(
            () -> new OnnxAttention(runtime, task, Precision.F32),
            () -> new OnnxAttention(runtime, task, Precision.INT8)));
  }

  private static List<PeerProgram> programs(List<Supplier<PeerProgram>> makers) {
    List<PeerProgram> programs = new ArrayList<>();
    try {
      makers.forEach(maker -> programs.add(NativeLoading.prepare("onnxruntime", maker)));
      return programs;
    } catch (RuntimeException e) {
      programs.forEach(PeerProgram::close);
      throw e;
    }
  }

  @Override
  public void close() {
    // The environment lives as long as the process.
  }
}
