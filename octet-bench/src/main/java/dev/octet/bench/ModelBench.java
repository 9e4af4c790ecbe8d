package dev.octet.bench;

import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Peers;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.model.SequenceStep;
import dev.octet.quantize.HostMemory;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.OuterSchemes;
import dev.octet.tensor.DType;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.Consumer;

/**
 * Speed of whole models of published shapes on random weights, in rows like llama-bench's: {@code
 * pp512} reads a prompt at once, {@code tg32} generates token by token after it. {@code gb_per_s}
 * counts every weight that is multiplied once a prompt or token, {@code tops} two operations a
 * weight and token; attention's own are left out of both. Memory is read after every round, for
 * {@code of_read}. {@code peak_gib} is the most memory that the process has held from the model's
 * beginning to the end of the first round, peers' models included.
 */
public final class ModelBench {
  /**
   * @param shape which model
   * @param quantizations {@code bf16} or names of {@link QuantScheme}
   * @param outer output layer and embedding, in all of them
   * @param run attention and cache
   * @param provider name of the provider
   * @param products what unquantized inputs of linear layers are multiplied in
   * @param threads how many work at once
   * @param prompt tokens read at once
   * @param generate tokens generated
   * @param repetitions timed rounds; the median counts
   */
  public record Options(
      ModelShape shape,
      List<String> quantizations,
      OuterSchemes outer,
      RunOptions run,
      String provider,
      Products products,
      int threads,
      int prompt,
      int generate,
      int repetitions) {
    public Options {
      quantizations = List.copyOf(quantizations);
      if (prompt < 1 || generate < 1 || repetitions < 1) {
        throw new IllegalArgumentException("prompt, gen and repetitions must be at least 1");
      }
      if ((long) prompt + generate > shape.config().maxPositions()) {
        throw new IllegalArgumentException(
            shape.label() + " has a context of " + shape.config().maxPositions() + " tokens");
      }
      quantizations.forEach(q -> LinearBench.scheme(q));
      outer.requireFits(shape.config());
    }

    /** The kernels to measure; the caller closes them. */
    Kernels kernels() {
      return Providers.create(provider, threads, products);
    }
  }

  private static final int MOST_WARM_UPS = 12;

  /** Activations, logits and what waits to be freed while layers are packed. */
  private static final long BESIDES = 768L << 20;

  private ModelBench() {}

  /**
   * Measures every quantization in turn: only one model is in memory at a time.
   *
   * @throws IllegalArgumentException before anything is made, if one of them needs more memory than
   *     there is
   */
  public static void run(Options options, Consumer<BenchResult> to) {
    run(options, Peers.none(), to);
  }

  /**
   * The same beside peers, on models of the same shape whose weights have as many bits.
   *
   * @throws PeerException if a peer cannot do the shape, or gives no sensible logits
   */
  public static void run(Options options, Peers peers, Consumer<BenchResult> to) {
    requireRoom(options, HostMemory.available());
    Limits limits = Limits.measure(options.threads());
    limits.rows("model").forEach(to);
    for (String quantization : options.quantizations()) {
      measure(options, peers, limits, quantization, to);
    }
  }

  /** A machine that runs out of memory kills the process without a word, if not another one. */
  static void requireRoom(Options options, MemorySize available) {
    ModelConfig config = options.shape().config();
    KvType kv = options.run().kvType() == null ? KvType.BF16 : options.run().kvType();
    for (String quantization : options.quantizations()) {
      MemoryEstimate estimate =
          MemoryEstimate.of(
              config,
              LinearBench.scheme(quantization),
              options.prompt() + options.generate(),
              kv,
              options.run().attention(),
              options.outer());
      long needed = estimate.weightBytes() + estimate.kvBytes() + BESIDES;
      if (needed > available.bytes()) {
        throw new IllegalArgumentException(
            "%s in %s takes about %s and %s are available; try a smaller shape or fewer bits"
                .formatted(
                    options.shape().label(), quantization, MemorySize.of(needed), available));
      }
    }
  }

  /** What a pass reads: of an embedding that is not the head as well only a few rows. */
  private static double bytesRead(CausalLm model, OuterSchemes outer) {
    ModelConfig config = model.config();
    if (config.tiedEmbeddings()) {
      return model.weightBytes();
    }
    QuantScheme scheme = outer.embedding();
    double bits =
        scheme == null ? config.dtype().bits() : scheme.bitsPerWeight(config.hiddenSize());
    return model.weightBytes() - bits / 8 * config.vocabSize() * config.hiddenSize();
  }

  private static void measure(
      Options options, Peers peers, Limits limits, String quantization, Consumer<BenchResult> to) {
    ModelConfig config = options.shape().config();
    QuantScheme scheme = LinearBench.scheme(quantization);
    PeakMemory.forget();
    try (Arena arena = Arena.ofShared();
        Kernels kernels = options.kernels();
        CausalLm model =
            CausalLm.load(
                new RandomSource(config, scheme, options.outer(), arena), kernels, options.run());
        ModelDuel duel = ModelDuel.open(options, peers, scheme)) {
      warmUp(model, options);
      duel.warmUp();
      double[] prefill = new double[options.repetitions()];
      double[] decode = new double[options.repetitions()];
      double[] read = new double[options.repetitions()];
      OptionalLong peak = OptionalLong.empty();
      for (int r = 0; r < prefill.length; r++) {
        try (KvCache cache = model.newCache()) {
          prefill[r] = prefill(model, cache, options.prompt());
          decode[r] = decode(model, cache, options.generate());
        }
        peak = r == 0 ? PeakMemory.bytes() : peak; // reading takes memory of its own
        read[r] = limits.readNow();
        duel.round(r);
      }
      Limits here = limits.reading(Stopwatch.median(read));
      int tokens = options.prompt();
      BenchResult pp = result(model, options, here, quantization, "pp", tokens, 1, prefill, peak);
      int steps = options.generate();
      BenchResult tg = result(model, options, here, quantization, "tg", steps, steps, decode, peak);
      to.accept(pp.beside(duel.beside(Stopwatch.median(prefill), true)));
      to.accept(tg.beside(duel.beside(Stopwatch.median(decode), false)));
      duel.rows().forEach(to);
    }
  }

  /**
   * Short passes of both kinds until two in a row are no tenth faster than the best before: the
   * compiler needs a while, and longer on a busy machine.
   */
  static void warmUp(CausalLm model, Options options) {
    double best = Double.MAX_VALUE;
    int stale = 0;
    for (int i = 0; i < MOST_WARM_UPS && stale < 2; i++) {
      double seconds;
      try (KvCache cache = model.newCache()) {
        seconds = prefill(model, cache, Math.min(64, options.prompt()));
        seconds += decode(model, cache, Math.min(4, options.generate()));
      }
      stale = seconds < 0.9 * best ? 0 : stale + 1;
      best = Math.min(best, seconds);
    }
  }

  static double prefill(CausalLm model, KvCache cache, int tokens) {
    int[] ids = prompt(tokens, model.config().vocabSize());
    long start = System.nanoTime();
    model.forward(ids, cache, true);
    return (System.nanoTime() - start) / 1e9;
  }

  /** Tokens of a prompt: any will do. */
  static int[] prompt(int tokens, int vocabulary) {
    int[] ids = new int[tokens];
    Arrays.setAll(ids, i -> (i * 7919 + 13) % vocabulary);
    return ids;
  }

  /** The token that is read at a step of decoding. */
  static int token(int step, int vocabulary) {
    return (step * 31 + 5) % vocabulary;
  }

  static double decode(CausalLm model, KvCache cache, int tokens) {
    try (Arena arena = Arena.ofShared()) {
      long bytes = Tensor.byteSize(DType.F32, 1, model.config().vocabSize());
      SegmentAllocator logits =
          SegmentAllocator.prefixAllocator(arena.allocate(bytes, Tensor.ALIGNMENT));
      long start = System.nanoTime();
      for (int i = 0; i < tokens; i++) {
        int[] ids = {token(i, model.config().vocabSize())};
        model.forward(List.of(new SequenceStep(ids, cache)), true, logits);
      }
      return (System.nanoTime() - start) / 1e9;
    }
  }

  private static BenchResult result(
      CausalLm model,
      Options options,
      Limits limits,
      String quantization,
      String test,
      int tokens,
      int passes,
      double[] times,
      OptionalLong peak) {
    double seconds = Stopwatch.median(times);
    double rows = passes == 1 ? tokens : 1;
    double operations = 2.0 * passes * (rows * bodyWeights(model.config()) + head(model.config()));
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("tokens_per_s", tokens / seconds);
    metrics.put("ms", seconds * 1e3 / passes);
    double bytes = passes * bytesRead(model, options.outer());
    metrics.put("gb_per_s", bytes / seconds / 1e9);
    metrics.put("tops", operations / seconds / 1e12);
    limits.judge(
        metrics,
        seconds,
        bytes,
        limits.computing(LinearBench.scheme(quantization), options.products(), operations));
    metrics.put("gib", model.weightBytes() / (double) (1L << 30));
    peak.ifPresent(most -> metrics.put("peak_gib", most / (double) (1L << 30)));
    return new BenchResult(
        "model",
        label(model, options, quantization),
        test + tokens,
        model.config().headDim(),
        tokens,
        true,
        options.threads(),
        model.kernels().isa(),
        metrics);
  }

  /** What a row of such a model is called. */
  static String label(CausalLm model, Options options, String quantization) {
    return "%s %s%s%s attention=%s kv=%s"
        .formatted(
            options.shape().label(),
            quantization,
            LinearBench.label(model.kernels()),
            options.outer().label(),
            model.attention().label(),
            model.kvType().label());
  }

  /** Weights that every token meets. */
  private static double bodyWeights(ModelConfig config) {
    double[] sum = {0};
    ModelLayout.linears(
        config,
        shape -> {
          if (!shape.module().equals(ModelLayout.LM_HEAD)) {
            sum[0] += (double) shape.rows() * shape.columns();
          }
        });
    return sum[0];
  }

  /** Weights that only the last token of a pass meets. */
  private static double head(ModelConfig config) {
    return (double) config.vocabSize() * config.hiddenSize();
  }
}
