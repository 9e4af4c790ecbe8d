package dev.octet.bench.conformance;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Unusual but valid input that must load.
 *
 * @param open safetensors file or checkpoint directory
 * @param expected the values of its tensors, or null
 */
record AcceptCase(String id, Path open, @Nullable Path expected) implements ConformanceCase {
  @Override
  public String kind() {
    return "accept";
  }
}
