package dev.octet.kernels.cpu;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.Products;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.attention.PagedKvLayer;
import dev.octet.kernels.cpu.CpuLinear.Narrow;
import dev.octet.kernels.linear.OneByOne;
import dev.octet.kernels.linear.Shapes;
import dev.octet.kernels.linear.TransformedLinear;
import dev.octet.kernels.peak.PeakLoops;
import dev.octet.kernels.vector.VectorKernels;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Kernels in C. The vector provider computes what lies in Java arrays, which C does not reach, and
 * weights that no known format writes.
 */
public final class CpuKernels implements Kernels {
  private final WorkPool pool;
  private final NativeKernels library;
  private final Products products;
  private final LinearCalls linear;
  private final @Nullable TileCalls tiles;
  private final VectorKernels vector;
  private final CpuAttention attention;
  private final Elementwise elementwise;
  private final RowLookup rows;

  /**
   * Uses the best tier there is.
   *
   * @param threads how many threads work at once
   * @throws NativeException if native kernels cannot be used here
   * @throws IllegalArgumentException for anything but F32 on a tier that does not multiply it
   */
  public CpuKernels(int threads, Products products) {
    this(threads, best(), products);
  }

  /** Uses one tier, for instance to test it. */
  public CpuKernels(int threads, Tier tier, Products products) {
    this(threads, NativeKernels.of(tier), products);
  }

  CpuKernels(int threads, NativeKernels library, Products products) {
    if (products != Products.F32 && !library.tier().has(Tier.AVX512)) {
      throw new IllegalArgumentException(
          "products in %s need AVX-512, the kernels here are for %s; choose f32"
              .formatted(products.label(), library.tier().label()));
    }
    this.library = library;
    this.products = products;
    this.linear = new LinearCalls(library);
    this.tiles = library.tier().has(Tier.AMX) ? new TileCalls(library) : null;
    this.pool = new WorkPool(threads);
    this.vector = new VectorKernels(pool);
    this.elementwise = new Elementwise(pool, library);
    this.rows = new RowLookup(pool, library);
    this.attention = new CpuAttention(pool, library, vector.attention());
  }

  /** The tier that {@link #CpuKernels(int, Products)} uses. */
  public static Tier best() {
    return NativeKernels.best();
  }

  /** What {@link #best()} multiplies unquantized inputs in where nobody asked for another. */
  public static Products usualProducts() {
    return best().has(Tier.AVX512) ? Products.INT16 : Products.F32;
  }

  /** Why {@link #best()} is no higher tier; empty if it is the highest. */
  public static String whyNotBetter() {
    Tier best = best();
    Tier cap = NativeKernels.cap();
    return Arrays.stream(Tier.values())
        .filter(tier -> tier != best && tier.has(best))
        .map(
            tier ->
                "no %s: %s"
                    .formatted(
                        tier.label(),
                        cap.has(tier) ? NativeKernels.lacks(tier) : Tier.CAP + "=" + cap.library()))
        .collect(Collectors.joining("; "));
  }

  /** Loops of the best tier there is. */
  public static PeakLoops peakLoops() {
    return new NativePeaks(NativeKernels.of(best()));
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public String isa() {
    return library.tier().label();
  }

  @Override
  public Products products() {
    return products;
  }

  @Override
  public int threads() {
    return pool.threads();
  }

  @Override
  public Linear linear(LinearWeights weights, Arena arena) {
    Narrow narrow =
        switch (products) {
          case BF16 -> Narrow.BF16;
          case INT16 -> Narrow.INT16;
          case F32 -> library.tier().has(Tier.AVX512) ? Narrow.CODES : Narrow.INTEGERS;
        };
    return TransformedLinear.of(
        weights,
        pool,
        plain ->
            PackedWeight.suits(plain)
                ? new CpuLinear(plain, narrow, linear, tiles, pool, arena)
                : vector.linear(plain, arena));
  }

  @Override
  public LinearGroup group(List<Linear> layers) {
    Shapes.requireGroup(layers);
    LinearGroup transformed = TransformedLinear.group(layers, this::group);
    if (transformed != null) {
      return transformed;
    }
    List<CpuLinear> packed = new ArrayList<>();
    for (Linear layer : layers) {
      if (!(layer instanceof CpuLinear l) || !packed.isEmpty() && !l.readsLike(packed.getFirst())) {
        return new OneByOne(layers);
      }
      packed.add(l);
    }
    return new CpuLinearGroup(packed, pool);
  }

  @Override
  public void lookUp(RowTable table, int[] ids, Tensor out) {
    rows.lookUp(table, ids, out);
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
    if (reachable(x, weight, out) && (bias == null || reachable(bias))) {
      elementwise.rmsNorm(x, weight, bias, epsilon, out);
    } else {
      vector.rmsNorm(x, weight, bias, epsilon, out);
    }
  }

  @Override
  public void rope(Tensor x, int[] positions, RotaryTable table) {
    if (reachable(x)) {
      elementwise.rope(x, positions, table);
    } else {
      vector.rope(x, positions, table);
    }
  }

  @Override
  public void append(KvLayer kv, Tensor keys, Tensor values, int[] positions, RotaryTable table) {
    if (kv instanceof PagedKvLayer layer
        && layer.turns(keys, values)
        && Elementwise.areConsecutive(positions)) {
      elementwise.append(layer, keys, values, positions, table);
    } else {
      Kernels.super.append(kv, keys, values, positions, table);
    }
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    if (reachable(gate, up, out)) {
      elementwise.swiGlu(gate, up, out);
    } else {
      vector.swiGlu(gate, up, out);
    }
  }

  @Override
  public void add(Tensor x, Tensor y) {
    if (reachable(x, y)) {
      elementwise.add(x, y);
    } else {
      vector.add(x, y);
    }
  }

  @Override
  public void softmax(Tensor x) {
    if (reachable(x)) {
      elementwise.softmax(x);
    } else {
      vector.softmax(x);
    }
  }

  private static boolean reachable(Tensor tensor) {
    return tensor.segment().isNative();
  }

  private static boolean reachable(Tensor a, Tensor b) {
    return reachable(a) && reachable(b);
  }

  private static boolean reachable(Tensor a, Tensor b, Tensor c) {
    return reachable(a, b) && reachable(c);
  }

  @Override
  public AttentionKernels attention() {
    return attention;
  }

  @Override
  public void close() {
    attention.close();
    vector.close();
  }
}
