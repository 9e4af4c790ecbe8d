package dev.octet.quantize.mixed;

import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.quantize.QuantizedSource;
import java.util.Arrays;
import java.util.stream.IntStream;

/** How long a whole model takes to decode a token here. */
final class DecodeTimer {
  private static final int PROMPT = 32;
  private static final int TOKENS = 16;
  private static final int WARM_UP = 3;
  private static final int ROUNDS = 7;

  private DecodeTimer() {}

  /** Median seconds a token of a mix. */
  static double seconds(WeightSource source, Kernels kernels, Mix mix) {
    try (CausalLm model =
        CausalLm.load(new QuantizedSource(source, mix.options()), kernels, RunOptions.auto())) {
      int vocabulary = model.config().vocabSize();
      int[] prompt = IntStream.range(0, PROMPT).map(i -> i * 31 % vocabulary).toArray();
      double[] times = new double[ROUNDS];
      for (int r = -WARM_UP; r < ROUNDS; r++) {
        double seconds = round(model, prompt);
        if (r >= 0) {
          times[r] = seconds;
        }
      }
      Arrays.sort(times);
      return times[ROUNDS / 2];
    }
  }

  private static double round(CausalLm model, int[] prompt) {
    try (KvCache cache = model.newCache()) {
      model.forward(prompt, cache, true);
      long start = System.nanoTime();
      for (int i = 0; i < TOKENS; i++) {
        model.forward(new int[] {prompt[i]}, cache, true);
      }
      return (System.nanoTime() - start) / 1e9 / TOKENS;
    }
  }
}
