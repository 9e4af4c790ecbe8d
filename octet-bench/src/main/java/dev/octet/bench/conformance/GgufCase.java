package dev.octet.bench.conformance;

import java.nio.file.Path;

/** A model in one GGUF file. */
record GgufCase(String id, Path modelFile) implements ConformanceCase {
  @Override
  public String kind() {
    return "gguf";
  }
}
