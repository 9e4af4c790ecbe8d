package dev.octet.bench.demo;

import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import java.util.Arrays;
import java.util.List;

/**
 * Speed of several models that are to be compared. They are measured in turns, round by round, so
 * that a machine that slows down slows all of them; each reports its median.
 *
 * @param prompt tokens of the prefill, at least one
 * @param decode tokens decoded one by one after it, at least one
 * @param warmup rounds before the measured ones, for the compiler to settle
 * @param rounds measured rounds
 */
public record SpeedProbe(int[] prompt, int decode, int warmup, int rounds) {
  public SpeedProbe {
    if (prompt.length < 1 || decode < 1 || warmup < 0 || rounds < 1) {
      throw new IllegalArgumentException(
          "prompt %d, decode %d, rounds %d must be positive, warm-up %d not negative"
              .formatted(prompt.length, decode, rounds, warmup));
    }
    prompt = prompt.clone();
  }

  /**
   * Tokens a second of one model.
   *
   * @param prefill over the prompt, all tokens in one pass
   * @param decode over the tokens after it, a pass each
   */
  public record Speed(double prefill, double decode) {}

  /** Told after every model of every round. */
  public interface Listener {
    void measured(int done, int total);
  }

  /**
   * Measures all models.
   *
   * @return one result a model, in their order
   * @throws IllegalArgumentException if prompt and decoded tokens exceed a model's context
   */
  public List<Speed> measure(List<CausalLm> models, Listener listener) {
    double[][] prefill = new double[models.size()][rounds];
    double[][] decoding = new double[models.size()][rounds];
    int total = models.size() * (rounds + warmup);
    for (int round = -warmup; round < rounds; round++) {
      for (int m = 0; m < models.size(); m++) {
        long[] nanos = run(models.get(m));
        if (round >= 0) {
          prefill[m][round] = prompt.length * 1e9 / nanos[0];
          decoding[m][round] = decode * 1e9 / nanos[1];
        }
        listener.measured((round + warmup) * models.size() + m + 1, total);
      }
    }
    return java.util.stream.IntStream.range(0, models.size())
        .mapToObj(m -> new Speed(median(prefill[m]), median(decoding[m])))
        .toList();
  }

  private long[] run(CausalLm model) {
    try (KvCache cache = model.newCache()) {
      long start = System.nanoTime();
      model.forward(prompt, cache, true);
      long filled = System.nanoTime();
      for (int i = 0; i < decode; i++) {
        model.forward(new int[] {prompt[i % prompt.length]}, cache, true);
      }
      return new long[] {Math.max(1, filled - start), Math.max(1, System.nanoTime() - filled)};
    }
  }

  static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
