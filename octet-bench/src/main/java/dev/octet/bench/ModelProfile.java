package dev.octet.bench;

import com.sun.management.ThreadMXBean;
import dev.octet.kernels.Kernels;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.quantize.HostMemory;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.function.Consumer;

/**
 * Where the time of a prompt and of a decode step goes: a row a kind of kernel with its {@code
 * calls} a pass, {@code us} (microseconds a pass) and {@code us_a_call}, a row {@code between
 * kernels} for everything the model does in Java, and {@code step} with all of it and the {@code
 * bytes} of garbage the calling thread leaves a pass. Rows of the prompt begin with its length,
 * {@code pp512}. Times are of the fastest of several rounds; looking at the clock adds some 50 ns a
 * call.
 */
public final class ModelProfile {
  private ModelProfile() {}

  /**
   * Profiles every quantization in turn; the rounds are the repetitions.
   *
   * @throws IllegalArgumentException if one of them needs more memory than there is
   */
  public static void run(ModelBench.Options options, Consumer<BenchResult> to) {
    ModelBench.requireRoom(options, HostMemory.available());
    for (String quantization : options.quantizations()) {
      profile(options, quantization, to);
    }
  }

  private static void profile(
      ModelBench.Options options, String quantization, Consumer<BenchResult> to) {
    try (Arena arena = Arena.ofShared();
        Kernels kernels = options.kernels()) {
      ProfiledKernels profiled = new ProfiledKernels(kernels);
      RandomSource source =
          new RandomSource(
              options.shape().config(), LinearBench.scheme(quantization), options.outer(), arena);
      try (CausalLm model = CausalLm.load(source, profiled, options.run())) {
        ModelBench.warmUp(model, options);
        String variant = ModelBench.label(model, options, quantization);
        String before = "pp" + options.prompt() + " ";
        best(model, profiled, options, true).rows(variant, before, model, options, to);
        best(model, profiled, options, false).rows(variant, "", model, options, to);
      }
    }
  }

  private static Round best(
      CausalLm model, ProfiledKernels kernels, ModelBench.Options options, boolean prompt) {
    Round best = Round.of(model, kernels, options, prompt);
    for (int r = 1; r < options.repetitions(); r++) {
      Round round = Round.of(model, kernels, options, prompt);
      best = round.nanos() < best.nanos() ? round : best;
    }
    return best;
  }

  /**
   * One measured run: a prompt, or the decode steps after it.
   *
   * @param passes of the model
   * @param parts nanoseconds and calls by kind, as {@code {nanos, calls}}
   */
  private record Round(int passes, long nanos, long bytes, SequencedMap<String, long[]> parts) {

    static Round of(
        CausalLm model, ProfiledKernels kernels, ModelBench.Options options, boolean prompt) {
      ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
      try (KvCache cache = model.newCache()) {
        if (!prompt) {
          ModelBench.prefill(model, cache, options.prompt());
        }
        kernels.reset();
        long before = threads.getCurrentThreadAllocatedBytes();
        double seconds =
            prompt
                ? ModelBench.prefill(model, cache, options.prompt())
                : ModelBench.decode(model, cache, options.generate());
        long bytes = threads.getCurrentThreadAllocatedBytes() - before;
        SequencedMap<String, long[]> parts = new LinkedHashMap<>();
        kernels
            .parts()
            .forEach(
                (name, part) -> {
                  if (part.calls() > 0) {
                    parts.put(name, new long[] {part.nanos(), part.calls()});
                  }
                });
        return new Round(prompt ? 1 : options.generate(), (long) (seconds * 1e9), bytes, parts);
      }
    }

    void rows(
        String variant,
        String before,
        CausalLm model,
        ModelBench.Options options,
        Consumer<BenchResult> to) {
      double steps = passes;
      long inKernels = 0;
      for (var part : parts.entrySet()) {
        long[] counted = part.getValue();
        inKernels += counted[0];
        SequencedMap<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("calls", counted[1] / steps);
        metrics.put("us", counted[0] / 1e3 / steps);
        metrics.put("us_a_call", counted[0] / 1e3 / counted[1]);
        to.accept(row(variant, before + part.getKey(), model, options, metrics));
      }
      SequencedMap<String, Double> between = new LinkedHashMap<>();
      between.put("us", (nanos - inKernels) / 1e3 / steps);
      to.accept(row(variant, before + "between kernels", model, options, between));
      SequencedMap<String, Double> step = new LinkedHashMap<>();
      step.put("us", nanos / 1e3 / steps);
      step.put("bytes", bytes / steps);
      to.accept(row(variant, before + "step", model, options, step));
    }

    private static BenchResult row(
        String variant,
        String part,
        CausalLm model,
        ModelBench.Options options,
        SequencedMap<String, Double> metrics) {
      return new BenchResult(
          "profile",
          variant,
          part,
          null,
          null,
          null,
          options.threads(),
          model.kernels().isa(),
          metrics);
    }
  }
}
