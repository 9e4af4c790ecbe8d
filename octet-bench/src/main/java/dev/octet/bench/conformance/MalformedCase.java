package dev.octet.bench.conformance;

import java.nio.file.Path;

/** A broken file or checkpoint directory: opening it must raise a clear error, and soon. */
record MalformedCase(String id, Path open) implements ConformanceCase {
  @Override
  public String kind() {
    return "malformed";
  }
}
