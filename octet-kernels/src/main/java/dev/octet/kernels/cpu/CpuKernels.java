package dev.octet.kernels.cpu;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.linear.ScaledLinear;
import dev.octet.kernels.vector.VectorKernels;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** Kernels in C; what is not written in C yet is computed by the vector provider. */
public final class CpuKernels implements Kernels {
  private final WorkPool pool;
  private final NativeKernels library;
  private final LinearCalls linear;
  private final VectorKernels vector;
  private final CpuAttention attention;

  /**
   * Uses the best tier there is.
   *
   * @param threads how many threads work at once
   * @throws NativeException if native kernels cannot be used here
   */
  public CpuKernels(int threads) {
    this(threads, best());
  }

  /** Uses one tier, for instance to test it. */
  public CpuKernels(int threads, Tier tier) {
    this.library = NativeKernels.of(tier);
    this.linear = new LinearCalls(library);
    this.pool = new WorkPool(threads);
    this.vector = new VectorKernels(pool);
    this.attention = new CpuAttention(pool, library, vector.attention());
  }

  /** The tier that {@link #CpuKernels(int)} uses. */
  public static Tier best() {
    return NativeKernels.best();
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
  public int threads() {
    return pool.threads();
  }

  @Override
  public Linear linear(LinearWeights weights, Arena arena) {
    return ScaledLinear.of(
        weights,
        plain ->
            PackedWeight.suits(plain)
                ? new CpuLinear(plain, library.tier() == Tier.AVX512, linear, pool, arena)
                : vector.linear(plain, arena));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
    vector.rmsNorm(x, weight, bias, epsilon, out);
  }

  @Override
  public void rope(Tensor x, int[] positions, RotaryTable table) {
    vector.rope(x, positions, table);
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    vector.swiGlu(gate, up, out);
  }

  @Override
  public void add(Tensor x, Tensor y) {
    vector.add(x, y);
  }

  @Override
  public void softmax(Tensor x) {
    vector.softmax(x);
  }

  @Override
  public AttentionKernels attention() {
    return attention;
  }

  @Override
  public void close() {
    vector.close();
  }
}
