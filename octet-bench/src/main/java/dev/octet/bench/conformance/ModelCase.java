package dev.octet.bench.conformance;

import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;

/**
 * A checkpoint whose logits are known.
 *
 * @param kind {@code model} for a directory, {@code gguf} for a file
 * @param model the checkpoint
 * @param expected {@code input_ids}, {@code logits}, {@code argmax} and more
 * @param tolerances limits by name; always has {@code logits}
 * @param alternatives other results, some of them as good
 * @param storedWhole modules whose dequantized weight {@code expected} must hold
 * @param rowDots whether {@code expected} must hold a {@code rowdot} per quantized module
 */
record ModelCase(
    String id,
    String kind,
    Path model,
    Path expected,
    SortedMap<String, Tolerance> tolerances,
    List<Alternative> alternatives,
    List<String> storedWhole,
    boolean rowDots)
    implements ConformanceCase {

  /**
   * Another outcome of the same case.
   *
   * @param key tensor with its logits, for the last positions only
   * @param accepted whether matching it is as good as matching {@code logits}
   * @param maxRelL1 how near it must be
   */
  record Alternative(String key, boolean accepted, double maxRelL1) {}

  /** Whether modules are named, and rows ordered, as a GGUF file has them. */
  boolean gguf() {
    return kind.equals("gguf");
  }
}
