package dev.octet.bench.conformance;

import java.nio.file.Path;

/** Numbers and their codes, to be converted bit-exactly both ways. */
record CodecCase(String id, Path expected) implements ConformanceCase {
  @Override
  public String kind() {
    return "codec";
  }
}
