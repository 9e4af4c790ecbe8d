package dev.octet.bench;

import dev.octet.bench.peer.LinearTask;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Peers;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.Products;
import dev.octet.kernels.Providers;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.RoundToNearest;
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
 * operations a second, a multiply-add counts two) and the share of the machine's limit that binds,
 * {@code of_read} or {@code of_ops} ({@link Limits}). M = 1 is bound by memory, M = 512 by
 * arithmetic; the first rows give the machine's limits for both.
 *
 * <p>For M = 1 several copies of a small layer take turns, so that weights come from memory as they
 * do in a model.
 */
public final class LinearBench {
  /** A layer: outputs × inputs. */
  public record Shape(int n, int k) {
    private static final long MOST_WEIGHTS = 1L << 34;

    public Shape {
      if (n < 1 || k < 1) {
        throw new IllegalArgumentException("shape " + n + "x" + k + " must be positive");
      }
      if (Math.multiplyFull(n, k) > MOST_WEIGHTS) {
        throw new IllegalArgumentException(
            "shape %dx%d has more than %d weights".formatted(n, k, MOST_WEIGHTS));
      }
    }

    /** Reads {@code 4096x11008}. */
    public static Shape parse(String text) {
      int x = text.indexOf('x');
      try {
        return new Shape(
            Integer.parseInt(text.substring(0, Math.max(0, x))),
            Integer.parseInt(text.substring(x + 1)));
      } catch (NumberFormatException e) {
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
   * @param products what each provider multiplies unquantized inputs in; empty: what it usually
   *     does
   * @param threads how many work at once
   * @param repetitions timed rounds
   */
  public record Options(
      List<String> variants,
      List<Shape> shapes,
      List<Integer> rows,
      List<String> providers,
      List<Products> products,
      int threads,
      int repetitions) {
    public Options {
      variants = List.copyOf(variants);
      shapes = List.copyOf(shapes);
      rows = List.copyOf(rows);
      providers = List.copyOf(providers);
      products = List.copyOf(products);
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
          List.of(),
          threads,
          9);
    }

    /** What a provider multiplies in. */
    List<Products> products(String provider) {
      return products.isEmpty() ? List.of(Providers.usual(provider)) : products;
    }
  }

  private LinearBench() {}

  /**
   * Runs all combinations and hands every row to {@code to} as soon as it is known.
   *
   * @throws IllegalArgumentException for an unknown variant or provider
   */
  public static void run(Options options, Consumer<BenchResult> to) {
    run(options, Peers.none(), to);
  }

  /**
   * Runs all combinations with peers in the same rounds. Then weights of every variant are
   * quantized from the same matrix, and rows have {@code relL1}, their error against its product in
   * F32.
   *
   * @throws PeerException if a peer cannot do a shape, or computes something else
   */
  public static void run(Options options, Peers peers, Consumer<BenchResult> to) {
    Limits limits = Limits.measure(options.threads());
    limits.rows("linear").forEach(to);
    for (Shape shape : options.shapes()) {
      for (int m : options.rows()) {
        measure(options, peers, limits, shape, m, to);
      }
    }
  }

  /** What follows a row's name where products are not what the provider usually has. */
  static String label(Kernels kernels) {
    boolean usual = kernels.products() == Providers.usual(kernels.name());
    return usual ? "" : " compute=" + kernels.products().label();
  }

  static @Nullable QuantScheme scheme(String variant) {
    if (variant.equals("bf16")) {
      return null;
    }
    try {
      return QuantScheme.of(variant);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "unknown variant '%s'; choose of bf16, %s"
              .formatted(variant, String.join(", ", QuantScheme.names())),
          e);
    }
  }

  /** One layer at one M: every variant of every provider, interleaved. */
  private static void measure(
      Options options, Peers peers, Limits limits, Shape shape, int m, Consumer<BenchResult> to) {
    List<Kernels> opened = new ArrayList<>();
    List<Peers.Entry> entries = List.of();
    try (Arena arena = Arena.ofShared()) {
      RandomWeights random = new RandomWeights(arena, 1);
      LinearTask task =
          new LinearTask(
              random.dense(DType.F32, 1, m, shape.k),
              random.dense(
                  DType.BF16, (float) (1 / Math.sqrt((double) shape.k)), shape.n, shape.k));
      List<Candidate> candidates = new ArrayList<>();
      for (String provider : options.providers()) {
        for (Products products : options.products(provider)) {
          Kernels kernels = Providers.create(provider, options.threads(), products);
          opened.add(kernels);
          for (String variant : options.variants()) {
            candidates.add(candidate(kernels, variant, task, !peers.isEmpty(), arena));
          }
        }
      }
      entries = peers.linear(task);
      Duel duel = new Duel(options.threads(), entries);
      if (!peers.isEmpty()) {
        duel.hold(right(opened.getFirst(), task, arena));
        candidates.replaceAll(c -> c.checked(duel));
      }
      List<Runnable> programs = candidates.stream().map(Candidate::program).toList();
      double before = limits.readNow();
      double[] seconds = duel.medians(programs, 1, options.repetitions());
      Limits here = limits.reading((before + limits.readNow()) / 2);
      for (int i = 0; i < candidates.size(); i++) {
        to.accept(
            candidates.get(i).result(shape, m, seconds[i], here).beside(duel.beside(seconds[i])));
      }
      double operations = 2.0 * m * shape.n * shape.k;
      duel.rows("linear", shape.toString(), null, m, null, operations).forEach(to);
    } finally {
      entries.forEach(e -> e.program().close());
      opened.forEach(Kernels::close);
    }
  }

  /** The product in F32. */
  private static Tensor right(Kernels kernels, LinearTask task, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, task.m(), task.n());
    kernels.linear(dense(task.weight())).apply(task.x(), out);
    return out;
  }

  private static LinearWeights dense(Tensor weight) {
    return new LinearWeights(new DenseWeight(weight), null, new ActivationQuant.None());
  }

  private static Candidate candidate(
      Kernels kernels, String variant, LinearTask task, boolean sameWeights, Arena arena) {
    RandomWeights random = new RandomWeights(arena, 1);
    QuantScheme scheme = scheme(variant);
    LinearWeights first =
        sameWeights
            ? quantized(task.weight(), scheme, arena)
            : random.linear(task.n(), task.k(), scheme);
    List<Linear> layers = new ArrayList<>();
    layers.add(kernels.linear(first));
    while (layers.size() < task.copies(first.byteSize())) {
      layers.add(kernels.linear(random.linear(task.n(), task.k(), scheme)));
    }
    Tensor out = Tensor.allocate(arena, DType.F32, task.m(), task.n());
    int[] turn = {0};
    Runnable program = () -> layers.get(turn[0]++ % layers.size()).apply(task.x(), out);
    return new Candidate(kernels, variant, first.byteSize(), program, out, Double.NaN);
  }

  private static LinearWeights quantized(Tensor weight, @Nullable QuantScheme scheme, Arena arena) {
    return scheme == null
        ? dense(weight)
        : new LinearWeights(
            RoundToNearest.quantize(weight, scheme, arena), null, scheme.activation());
  }

  /**
   * @param error against the product in F32; NaN where nobody asked
   */
  private record Candidate(
      Kernels kernels, String variant, long bytes, Runnable program, Tensor out, double error) {
    /** Runs once: the first copy of the weight is the one that can be checked. */
    Candidate checked(Duel duel) {
      program.run();
      return new Candidate(kernels, variant, bytes, program, out, duel.error(out));
    }

    BenchResult result(Shape shape, int m, double seconds, Limits limits) {
      SequencedMap<String, Double> metrics = new LinkedHashMap<>();
      if (!Double.isNaN(error)) {
        metrics.put("relL1", error);
      }
      metrics.put("ms", seconds * 1e3);
      metrics.put("gb_per_s", bytes / seconds / 1e9);
      double operations = 2.0 * m * shape.n * shape.k;
      metrics.put("tops", operations / seconds / 1e12);
      double computing = limits.computing(scheme(variant), kernels.products(), operations);
      limits.judge(metrics, seconds, (double) bytes, computing);
      String name = kernels.name().equals("vector") ? variant : variant + " " + kernels.name();
      name += LinearBench.label(kernels);
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
