package dev.octet.bench;

import dev.octet.bench.peer.AttentionTask;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Peers;
import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Speed of attention over a cache: prefill (the last queries of a sequence) and decoding (one
 * query). A row has the kind and the cache type as {@code variant}, {@code prefill M} or {@code
 * decode} with the heads as {@code input}, {@code ms}, {@code tops} (10¹² operations a second, a
 * multiply-add counts two, only pairs that are seen count), {@code gb_per_s} of cache read and the
 * share of the machine's limit ({@link Limits}), which the first rows give. A kind over a cache of
 * other codes may have made its own before time is taken ({@link KvLayer}); writing the cache has
 * rows of its own ({@link AppendBench}).
 */
public final class AttentionBench {
  /** A kind of attention over a cache. */
  public record Variant(AttentionKind kind, KvType cache) {
    @Override
    public String toString() {
      return kind.label() + " kv-" + cache.label();
    }
  }

  /**
   * @param variants what is compared
   * @param heads query heads
   * @param kvHeads key/value heads, a divisor of {@code heads}
   * @param headDims values of d
   * @param lengths keys in the cache, the queries' own included
   * @param queries query rows of the prefill measurement, 0 for none; cut to the length
   * @param decode whether one query is measured as well
   * @param causal whether prefill is causal
   */
  public record Options(
      List<Variant> variants,
      int heads,
      int kvHeads,
      List<Integer> headDims,
      List<Integer> lengths,
      int queries,
      boolean decode,
      boolean causal,
      String provider,
      int threads,
      int repetitions) {
    public Options {
      variants = List.copyOf(variants);
      headDims = List.copyOf(headDims);
      lengths = List.copyOf(lengths);
      if (kvHeads < 1 || heads < 1 || heads % kvHeads != 0) {
        throw new IllegalArgumentException(
            heads + " query heads are no multiple of " + kvHeads + " key/value heads");
      }
      if (queries < 0 || repetitions < 1 || lengths.stream().anyMatch(n -> n < 1)) {
        throw new IllegalArgumentException(
            "lengths and repetitions must be at least 1, queries at least 0");
      }
      for (int d : headDims) {
        for (int n : lengths) {
          requireArray(n, d, kvHeads);
          requireArray(Math.min(n, queries), d, heads);
        }
      }
    }

    private static void requireArray(int rows, int d, int heads) {
      if (d < 1 || d > 1024 || (double) rows * heads * d > MOST_ELEMENTS) {
        throw new IllegalArgumentException(
            "%d rows of %d heads of %d: d must lie between 1 and 1024, all together below %d"
                .formatted(rows, heads, d, MOST_ELEMENTS));
      }
    }

    /** Every cache type among the variants, once. */
    List<KvType> caches() {
      return variants.stream().map(Variant::cache).distinct().toList();
    }

    /** The heads of an 8B model at d = 128, all useful pairs of kind and cache. */
    public static Options standard(String provider, int threads, boolean causal) {
      return new Options(
          List.of(
              new Variant(AttentionKind.F32, KvType.F32),
              new Variant(AttentionKind.BF16, KvType.BF16),
              new Variant(AttentionKind.BF16, KvType.INT8),
              new Variant(AttentionKind.BF16, KvType.FP8_E4M3),
              new Variant(AttentionKind.INT8_BF16, KvType.INT8),
              new Variant(AttentionKind.INT8, KvType.INT8),
              new Variant(AttentionKind.INT8_FAST, KvType.INT8),
              new Variant(AttentionKind.INT8, KvType.BF16),
              new Variant(AttentionKind.INT_FLASH, KvType.BF16)),
          32,
          8,
          List.of(128),
          List.of(1024, 4096),
          256,
          true,
          causal,
          provider,
          threads,
          7);
    }
  }

  /** Of queries, keys or values, which are one array. */
  private static final int MOST_ELEMENTS = 1 << 30;

  private AttentionBench() {}

  /**
   * Runs all combinations and hands every row to {@code to} as soon as it is known.
   *
   * @throws IllegalArgumentException for an unknown provider
   */
  public static void run(Options options, Consumer<BenchResult> to) {
    run(options, Peers.none(), to);
  }

  /**
   * Runs all combinations with peers in the same rounds; rows then have {@code relL1}, their error
   * against attention in F32.
   *
   * @throws PeerException if a peer cannot do a shape, or computes something else
   */
  public static void run(Options options, Peers peers, Consumer<BenchResult> to) {
    try (Kernels kernels = Providers.create(options.provider(), options.threads())) {
      Limits limits = Limits.measure(options.threads());
      limits.rows("attention").forEach(to);
      for (int d : options.headDims()) {
        for (int n : options.lengths()) {
          if (options.queries() > 0) {
            int queries = Math.min(n, options.queries());
            measure(options, peers, kernels, limits, d, n, queries, options.causal(), to);
          }
          if (options.decode()) {
            measure(options, peers, kernels, limits, d, n, 1, true, to);
          }
        }
      }
    }
  }

  /** All variants at one shape, interleaved. */
  private static void measure(
      Options options,
      Peers peers,
      Kernels kernels,
      Limits limits,
      int d,
      int n,
      int queries,
      boolean causal,
      Consumer<BenchResult> to) {
    AttentionKernels attention = kernels.attention();
    List<KvLayer> layers = new ArrayList<>();
    List<Peers.Entry> entries = List.of();
    List<Long> bytes = new ArrayList<>(); // of the cache as such, without what a kind keeps beside
    try (Arena arena = Arena.ofShared()) {
      SplittableRandom random = new SplittableRandom(1);
      Tensor q = normal(arena, random, queries, options.heads(), d);
      Tensor k = normal(arena, random, n, options.kvHeads(), d);
      Tensor v = normal(arena, random, n, options.kvHeads(), d);
      Tensor out = Tensor.allocate(arena, DType.F32, queries, options.heads(), d);
      float scale = (float) (1 / Math.sqrt(d));
      AttentionSpec spec =
          causal
              ? AttentionSpec.causal(options.heads(), scale, n - queries)
              : AttentionSpec.full(options.heads(), scale);
      List<Runnable> programs = new ArrayList<>();
      for (Variant variant : options.variants()) {
        KvLayer layer =
            attention.newKvLayer(new KvSpec(options.kvHeads(), d, d, variant.cache(), null));
        layers.add(layer);
        layer.append(k, v);
        bytes.add(layer.byteSize());
        programs.add(() -> attention.attend(variant.kind(), spec, q, layer, out, null));
      }
      AppendBench.run(kernels, options.caches(), k, v, queries, options.repetitions(), to);
      entries = peers.attention(new AttentionTask(q, k, v, causal));
      Duel duel = new Duel(options.threads(), entries);
      double[] errors = new double[programs.size()];
      Arrays.fill(errors, Double.NaN);
      if (!peers.isEmpty()) {
        Tensor right = Tensor.allocate(arena, DType.F32, queries, options.heads(), d);
        attention.attend(AttentionKind.F32, spec, q, k, v, right, null);
        duel.hold(right);
        for (int i = 0; i < errors.length; i++) {
          programs.get(i).run();
          errors[i] = duel.error(out);
        }
      }
      double before = limits.readNow();
      double[] seconds = duel.medians(programs, 0.5, options.repetitions());
      Limits here = limits.reading((before + limits.readNow()) / 2);
      for (int i = 0; i < seconds.length; i++) {
        BenchResult row =
            result(
                options,
                kernels,
                here,
                i,
                bytes.get(i),
                d,
                n,
                queries,
                causal,
                seconds[i],
                errors[i]);
        to.accept(row.beside(duel.beside(seconds[i])));
      }
      double operations = 4 * seen(n, queries, causal) * options.heads() * d;
      duel.rows("attention", input(options, queries), d, n, causal, operations).forEach(to);
    } finally {
      entries.forEach(e -> e.program().close());
      layers.forEach(KvLayer::close);
    }
  }

  private static BenchResult result(
      Options options,
      Kernels kernels,
      Limits limits,
      int i,
      long bytes,
      int d,
      int n,
      int queries,
      boolean causal,
      double seconds,
      double error) {
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    if (!Double.isNaN(error)) {
      metrics.put("relL1", error);
    }
    metrics.put("ms", seconds * 1e3);
    double operations = 4 * seen(n, queries, causal) * options.heads() * d;
    metrics.put("tops", operations / seconds / 1e12);
    metrics.put("gb_per_s", bytes / seconds / 1e9);
    AttentionKind kind = options.variants().get(i).kind();
    limits.judge(metrics, seconds, (double) bytes, limits.computing(kind, operations));
    return new BenchResult(
        "attention",
        options.variants().get(i).toString(),
        input(options, queries),
        d,
        n,
        causal,
        kernels.threads(),
        kernels.isa(),
        metrics);
  }

  private static String input(Options options, int queries) {
    String heads = options.heads() + ":" + options.kvHeads();
    return (queries == 1 ? "decode " : "prefill " + queries + " ") + heads;
  }

  /** Pairs of query and key that are seen, a head. */
  private static double seen(int n, int queries, boolean causal) {
    return causal
        ? queries * (n - (double) queries) + queries * (queries + 1.0) / 2
        : (double) queries * n;
  }

  private static Tensor normal(Arena arena, SplittableRandom random, int... shape) {
    float[] x = new float[shape[0] * shape[1] * shape[2]];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(arena, x, shape[0], shape[1], shape[2]);
  }
}
