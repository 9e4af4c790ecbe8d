package dev.octet.bench;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * How far attention is from F64 softmax on the unquantized inputs, for every kind and cache type of
 * our kernels and, marked with a star, for published methods that are emulated. Metrics: {@code
 * relL1} = Σ|e|/Σ|ref|, {@code cos} of the whole outputs, {@code rmse}. Four heads a case, two from
 * 16k on.
 */
public final class AccuracyBench {
  /** A kernel under test: over tensors at hand, or over a cache. */
  private record Variant(String label, AttentionKind kind, @Nullable KvType cache) {
    static Variant of(AttentionKind kind) {
      return new Variant(kind.label(), kind, null);
    }

    static Variant of(AttentionKind kind, KvType cache) {
      return new Variant(kind.label() + " kv-" + cache.label(), kind, cache);
    }
  }

  private static final List<Variant> BEFORE_EMULATIONS = List.of(Variant.of(AttentionKind.BF16));

  private static final List<Variant> AFTER_EMULATIONS =
      List.of(
          Variant.of(AttentionKind.INT_FLASH_HALF),
          Variant.of(AttentionKind.INT_FLASH),
          Variant.of(AttentionKind.INT8_BF16),
          Variant.of(AttentionKind.INT8),
          Variant.of(AttentionKind.INT8_FAST),
          Variant.of(AttentionKind.INT8, KvType.INT8),
          Variant.of(AttentionKind.BF16, KvType.INT8),
          Variant.of(AttentionKind.BF16, KvType.FP8_E4M3),
          Variant.of(AttentionKind.BF16, KvType.FP8_E5M2));

  private AccuracyBench() {}

  /** Runs all combinations and hands every row to {@code to} as soon as it is known. */
  public static void run(AccuracyOptions options, Kernels kernels, Consumer<BenchResult> to) {
    try (WorkPool pool = new WorkPool(kernels.threads())) {
      for (int d : options.headDims()) {
        for (Distribution distribution : options.distributions()) {
          for (int n : options.lengths()) {
            new Case(options, kernels, pool, distribution, d, n).run(to);
          }
        }
      }
    }
  }

  /** One distribution, d and N. */
  private static final class Case {
    private final AccuracyOptions options;
    private final Kernels kernels;
    private final WorkPool pool;
    private final Distribution distribution;
    private final int d;
    private final int n;
    private final int heads;
    private final HeadInput[] inputs;
    private final double[][] exact;

    Case(
        AccuracyOptions options,
        Kernels kernels,
        WorkPool pool,
        Distribution distribution,
        int d,
        int n) {
      this.options = options;
      this.kernels = kernels;
      this.pool = pool;
      this.distribution = distribution;
      this.d = d;
      this.n = n;
      this.heads = n >= 16384 ? 2 : AccuracyOptions.MOST_HEADS;
      this.inputs = new HeadInput[heads];
      this.exact = new double[heads][];
      pool.run(heads, this::draw);
    }

    private void draw(int h) {
      long seed = options.seed() * 1_000_003 + distribution.label().hashCode() * 101L + h;
      RandomGenerator random = new SplittableRandom(seed);
      inputs[h] = distribution.draw(random, options.queries(), n, d);
      exact[h] = ExactAttention.of(inputs[h], options.causal(), p -> p);
    }

    void run(Consumer<BenchResult> to) {
      BEFORE_EMULATIONS.forEach(v -> to.accept(measure(v)));
      for (Emulation emulation : Emulation.ALL) {
        to.accept(emulate(emulation));
      }
      AFTER_EMULATIONS.forEach(v -> to.accept(measure(v)));
    }

    private BenchResult emulate(Emulation emulation) {
      double[][] outputs = new double[heads][];
      pool.run(
          heads,
          h -> {
            HeadInput coded = emulation.encode(inputs[h]);
            outputs[h] = ExactAttention.of(coded, options.causal(), emulation::probability);
          });
      OutputError error = new OutputError();
      for (int h = 0; h < heads; h++) {
        error.add(outputs[h], exact[h]);
      }
      return result(emulation.label(), error);
    }

    private BenchResult measure(Variant variant) {
      try (Arena arena = Arena.ofShared()) {
        Tensor q = gather(arena, HeadInput::q, options.queries());
        Tensor k = gather(arena, HeadInput::k, n);
        Tensor v = gather(arena, HeadInput::v, n);
        Tensor out = Tensor.allocate(arena, DType.F32, options.queries(), heads, d);
        attend(variant, q, k, v, out);
        OutputError error = new OutputError();
        for (int h = 0; h < heads; h++) {
          error.add(head(out, h), exact[h]);
        }
        return result(variant.label, error);
      }
    }

    private void attend(Variant variant, Tensor q, Tensor k, Tensor v, Tensor out) {
      AttentionKernels attention = kernels.attention();
      float scale = (float) (1 / Math.sqrt(d));
      AttentionSpec spec =
          options.causal()
              ? AttentionSpec.causal(heads, scale, n - options.queries())
              : AttentionSpec.full(heads, scale);
      if (variant.cache == null) {
        attention.attend(variant.kind, spec, q, k, v, out, null);
        return;
      }
      KvSpec kv = new KvSpec(heads, d, d, variant.cache, null);
      try (KvLayer layer = attention.newKvLayer(kv)) {
        layer.append(k, v);
        attention.attend(variant.kind, spec, q, layer, out, null);
      }
    }

    private interface Part {
      float[] of(HeadInput input);
    }

    /** One part of all heads as [rows, heads, d]. */
    private Tensor gather(Arena arena, Part part, int rows) {
      float[] all = new float[rows * heads * d];
      for (int h = 0; h < heads; h++) {
        float[] one = part.of(inputs[h]);
        for (int i = 0; i < rows; i++) {
          System.arraycopy(one, i * d, all, (i * heads + h) * d, d);
        }
      }
      return Tensor.ofFloats(arena, all, rows, heads, d);
    }

    private double[] head(Tensor out, int h) {
      double[] one = new double[options.queries() * d];
      for (int i = 0; i < one.length; i++) {
        one[i] = out.getFloat(((long) (i / d) * heads + h) * d + i % d);
      }
      return one;
    }

    private BenchResult result(String variant, OutputError error) {
      SequencedMap<String, Double> metrics = new LinkedHashMap<>();
      metrics.put("relL1", error.relL1());
      metrics.put("cos", error.cos());
      metrics.put("rmse", error.rmse());
      return new BenchResult(
          "accuracy",
          variant,
          distribution.label(),
          d,
          n,
          options.causal(),
          kernels.threads(),
          kernels.isa(),
          metrics);
    }
  }
}
