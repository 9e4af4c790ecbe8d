package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.reference.ReferenceAttention;
import dev.octet.kernels.vector.VectorAttention;
import java.util.List;

/** The providers under test. */
final class TestProviders {
  static final List<String> ALL = List.of("reference", "vector");

  private TestProviders() {}

  static AttentionKernels attention(String name, WorkPool pool) {
    return switch (name) {
      case "reference" -> new ReferenceAttention(pool);
      case "vector" -> new VectorAttention(pool);
      default -> throw new IllegalArgumentException(name);
    };
  }
}
