package dev.octet.bench;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * One measurement: a row of a table, or one object of {@code --json}, whose keys are these names
 * and those of the metrics.
 *
 * @param bench the benchmark: {@code accuracy}, {@code attention}, {@code linear}, {@code model} …
 * @param variant what was measured, for instance {@code w8a8}
 * @param input what on: a distribution, a shape, {@code pp512}
 * @param d head dimension, or null where there is none
 * @param n sequence length or rows, or null
 * @param causal whether attention was causal, or null
 * @param threads how many worked at once
 * @param isa the instruction set, as the provider names it
 * @param metrics what was measured, in the order of the columns: {@code relL1}, {@code cos}, {@code
 *     rmse}, {@code tops}, {@code ms}, {@code tokens_per_s}, {@code gb_per_s} …
 * @param peers what peers needed for the same, if any ran beside
 */
public record BenchResult(
    String bench,
    String variant,
    String input,
    @Nullable Integer d,
    @Nullable Integer n,
    @Nullable Boolean causal,
    int threads,
    String isa,
    SequencedMap<String, Double> metrics,
    List<PeerTime> peers) {

  public BenchResult {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, not " + threads);
    }
    metrics = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(metrics));
    peers = List.copyOf(peers);
  }

  /** A measurement without peers. */
  public BenchResult(
      String bench,
      String variant,
      String input,
      @Nullable Integer d,
      @Nullable Integer n,
      @Nullable Boolean causal,
      int threads,
      String isa,
      SequencedMap<String, Double> metrics) {
    this(bench, variant, input, d, n, causal, threads, isa, metrics, List.of());
  }

  /** The same beside those peers. */
  public BenchResult beside(List<PeerTime> others) {
    return new BenchResult(bench, variant, input, d, n, causal, threads, isa, metrics, others);
  }
}
