package dev.octet.bench;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.Providers;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Speed of linear layers. A row has M (as {@code n}), the layer as {@code input} ({@code
 * 4096x4096}: outputs × inputs), {@code ms}, {@code gb_per_s} of stored weight, {@code tops} (10¹²
 * operations a second, a multiply-add counts two). M = 1 is bound by memory, M = 512 by arithmetic;
 * the first row gives the machine's ceilings for both.
 *
 * <p>For M = 1 several copies of a small layer take turns, so that weights come from memory as they
 * do in a model.
 */
public final class LinearBench {
  /** Weights of one variant take at least this much when M is small. */
  private static final long BEYOND_CACHES = 128L << 20;

  private static final int MOST_COPIES = 16;

  /** A layer: outputs × inputs. */
  public record Shape(int n, int k) {
    public Shape {
      if (n < 1 || k < 1) {
        throw new IllegalArgumentException("shape " + n + "x" + k + " must be positive");
      }
    }

    /** Reads {@code 4096x11008}. */
    public static Shape parse(String text) {
      String[] parts = text.split("x", -1);
      try {
        return new Shape(Integer.parseInt(parts[0]), Integer.parseInt(parts[1]));
      } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
        throw new IllegalArgumentException("'" + text + "' is no shape like 4096x11008", e);
      }
    }

    @Override
    public String toString() {
      return n + "x" + k;
    }
  }

  /**
   * @param variants {@code bf16} or names of {@link QuantScheme}
   * @param shapes layers
   * @param rows values of M
   * @param providers names of providers
   * @param threads how many work at once
   * @param repetitions timed rounds
   */
  public record Options(
      List<String> variants,
      List<Shape> shapes,
      List<Integer> rows,
      List<String> providers,
      int threads,
      int repetitions) {
    public Options {
      variants = List.copyOf(variants);
      shapes = List.copyOf(shapes);
      rows = List.copyOf(rows);
      providers = List.copyOf(providers);
      if (repetitions < 1 || rows.stream().anyMatch(m -> m < 1)) {
        throw new IllegalArgumentException("repetitions and rows must be at least 1");
      }
      variants.forEach(LinearBench::scheme);
    }

    /** All forms at the square layers of an 8B model, the fastest provider. */
    public static Options standard(int threads) {
      return new Options(
          List.of("bf16", "w8a8", "w8a16", "w4a16", "w4a16-asym", "w4a8", "fp8", "fp8-dynamic"),
          List.of(new Shape(4096, 4096)),
          List.of(1, 512),
          List.of("auto"),
          threads,
          9);
    }
  }

  private LinearBench() {}

  /**
   * Runs all combinations and hands every row to {@code to} as soon as it is known.
   *
   * @throws IllegalArgumentException for an unknown variant or provider
   */
  public static void run(Options options, Consumer<BenchResult> to) {
    to.accept(ceilings(options.threads()));
    for (Shape shape : options.shapes()) {
      for (int m : options.rows()) {
        measure(options, shape, m, to);
      }
    }
  }

  private static BenchResult ceilings(int threads) {
    Ceilings ceilings = Ceilings.measure(threads);
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("gb_per_s", ceilings.readGbPerSecond());
    metrics.put("tops", ceilings.fmaGflops() / 1e3);
    try (Kernels kernels = Providers.create("vector", threads)) {
      return new BenchResult(
          "linear", "machine", "read, f32 fma", null, null, null, threads, kernels.isa(), metrics);
    }
  }

  static @Nullable QuantScheme scheme(String variant) {
    return variant.equals("bf16") ? null : QuantScheme.of(variant);
  }

  /** One layer at one M: every variant of every provider, interleaved. */
  private static void measure(Options options, Shape shape, int m, Consumer<BenchResult> to) {
    List<Kernels> opened = new ArrayList<>();
    try (Arena arena = Arena.ofShared()) {
      List<Candidate> candidates = new ArrayList<>();
      for (String provider : options.providers()) {
        Kernels kernels = Providers.create(provider, options.threads());
        opened.add(kernels);
        for (String variant : options.variants()) {
          candidates.add(candidate(kernels, variant, shape, m, arena));
        }
      }
      List<Runnable> programs = candidates.stream().map(Candidate::program).toList();
      double[] seconds = Stopwatch.medians(programs, 1, options.repetitions());
      for (int i = 0; i < seconds.length; i++) {
        to.accept(candidates.get(i).result(shape, m, seconds[i]));
      }
    } finally {
      opened.forEach(Kernels::close);
    }
  }

  private static Candidate candidate(
      Kernels kernels, String variant, Shape shape, int m, Arena arena) {
    RandomWeights random = new RandomWeights(arena, 1);
    LinearWeights first = random.linear(shape.n, shape.k, scheme(variant));
    long copies = m > 16 ? 1 : Math.ceilDiv(BEYOND_CACHES, first.byteSize());
    List<Linear> layers = new ArrayList<>();
    layers.add(kernels.linear(first));
    while (layers.size() < Math.min(MOST_COPIES, copies)) {
      layers.add(kernels.linear(random.linear(shape.n, shape.k, scheme(variant))));
    }
    Tensor x = random.dense(DType.F32, 1, m, shape.k);
    Tensor out = Tensor.allocate(arena, DType.F32, m, shape.n);
    int[] turn = {0};
    Runnable program = () -> layers.get(turn[0]++ % layers.size()).apply(x, out);
    return new Candidate(kernels, variant, first.byteSize(), program);
  }

  private record Candidate(Kernels kernels, String variant, long bytes, Runnable program) {
    BenchResult result(Shape shape, int m, double seconds) {
      SequencedMap<String, Double> metrics = new LinkedHashMap<>();
      metrics.put("ms", seconds * 1e3);
      metrics.put("gb_per_s", bytes / seconds / 1e9);
      metrics.put("tops", 2.0 * m * shape.n * shape.k / seconds / 1e12);
      String name = kernels.name().equals("vector") ? variant : variant + " " + kernels.name();
      return new BenchResult(
          "linear",
          name,
          shape.toString(),
          null,
          m,
          null,
          kernels.threads(),
          kernels.isa(),
          metrics);
    }
  }
}
