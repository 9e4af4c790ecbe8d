package dev.octet.bench;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Speed of writing keys and values into a cache: what attention over it does not show. A row has
 * the cache type as {@code variant}, {@code append M heads} as {@code input}, {@code ms}, and
 * {@code gb_per_s} of what is stored. The last M tokens are forgotten and written anew. Keys turn
 * on their way ({@link Kernels#append}); in the rows {@code append M heads rope apart} they turn
 * before, in a call of its own.
 */
final class AppendBench {
  private AppendBench() {}

  /**
   * Every cache type at one shape, interleaved.
   *
   * @param k all keys, [n, heads, d]; v alike
   * @param tokens how many of the last are written
   */
  static void run(
      Kernels kernels,
      List<KvType> types,
      Tensor k,
      Tensor v,
      int tokens,
      int repetitions,
      Consumer<BenchResult> to) {
    int n = Math.toIntExact(k.dim(0));
    int heads = Math.toIntExact(k.dim(1));
    int d = Math.toIntExact(k.dim(2));
    AttentionKernels attention = kernels.attention();
    List<KvLayer> layers = new ArrayList<>();
    try {
      Tensor kept = last(k, tokens); // for others: those that are written turn with every call
      Tensor keys = Tensor.ofFloats(kept.toFloats(), kept.shape());
      Tensor values = last(v, tokens);
      List<Runnable> programs = new ArrayList<>();
      List<Long> bytes = new ArrayList<>();
      RotaryTable table = RotaryTables.standard(d - d % 2, 10_000);
      int[] positions = IntStream.range(n - tokens, n).toArray();
      for (KvType type : types) {
        KvLayer layer = attention.newKvLayer(new KvSpec(heads, d, d, type, null));
        layers.add(layer);
        layer.append(k, v);
        bytes.add(layer.byteSize());
        programs.add(
            () -> {
              layer.truncate(n - tokens);
              kernels.append(layer, keys, values, positions, table);
            });
        programs.add(
            () -> {
              layer.truncate(n - tokens);
              kernels.rope(keys, positions, table);
              layer.append(keys, values);
            });
      }
      double[] seconds = Stopwatch.medians(programs, 0.2, repetitions, false);
      for (int i = 0; i < seconds.length; i++) {
        SequencedMap<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("ms", seconds[i] * 1e3);
        metrics.put("gb_per_s", (double) bytes.get(i / 2) * tokens / n / seconds[i] / 1e9);
        to.accept(
            new BenchResult(
                "attention",
                "kv-" + types.get(i / 2).label(),
                "append " + tokens + " " + heads + (i % 2 == 0 ? "" : " rope apart"),
                d,
                n,
                null,
                kernels.threads(),
                kernels.isa(),
                metrics));
      }
    } finally {
      layers.forEach(KvLayer::close);
    }
  }

  /** The last tokens of [n, heads, d]. */
  private static Tensor last(Tensor x, int tokens) {
    long heads = x.dim(1);
    return x.rowRange((x.dim(0) - tokens) * heads, x.dim(0) * heads)
        .reshape(tokens, heads, x.dim(2));
  }
}
