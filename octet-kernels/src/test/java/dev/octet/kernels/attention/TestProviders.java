package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.TestKernels;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.reference.ReferenceAttention;
import dev.octet.kernels.vector.VectorAttention;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The providers under test. */
final class TestProviders {
  static final List<String> ALL = TestKernels.all();

  /** Providers that have a pool of their own; their threads end with the process. */
  private static final Map<String, Kernels> MADE = new ConcurrentHashMap<>();

  private TestProviders() {}

  static AttentionKernels attention(String name, WorkPool pool) {
    return switch (name) {
      case "reference" -> new ReferenceAttention(pool);
      case "vector" -> new VectorAttention(pool);
      default -> MADE.computeIfAbsent(name, n -> TestKernels.create(n, 2)).attention();
    };
  }
}
