package dev.octet.bench.conformance;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.Linear;
import dev.octet.kernels.Products;
import dev.octet.kernels.RotaryTable;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A provider that keeps what goes into the norms over the whole width of a model. Every layer norms
 * the residual stream twice, at its beginning and halfway, and the model once at its end, so every
 * second of these inputs is the stream between two layers.
 */
final class ResidualTrace implements Kernels {
  private final Kernels kernels;
  private final int width;
  private final int rows;
  private final List<float[]> inputs = new ArrayList<>();

  /**
   * @param width size of the residual stream; no other norm may have it
   * @param rows how many of the last rows to keep
   */
  ResidualTrace(Kernels kernels, int width, int rows) {
    this.kernels = kernels;
    this.width = width;
    this.rows = rows;
  }

  /** The last rows of the stream before each layer and after the last. */
  List<float[]> streams() {
    List<float[]> streams = new ArrayList<>();
    for (int i = 0; i < inputs.size(); i += 2) {
      streams.add(inputs.get(i));
    }
    return streams;
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
    if (x.columns() == width) {
      float[] all = x.toFloats();
      inputs.add(Arrays.copyOfRange(all, Math.max(0, all.length - rows * width), all.length));
    }
    kernels.rmsNorm(x, weight, bias, epsilon, out);
  }

  @Override
  public String name() {
    return kernels.name();
  }

  @Override
  public String isa() {
    return kernels.isa();
  }

  @Override
  public Products products() {
    return kernels.products();
  }

  @Override
  public int threads() {
    return kernels.threads();
  }

  @Override
  public Linear linear(LinearWeights weights, Arena arena) {
    return kernels.linear(weights, arena);
  }

  @Override
  public void lookUp(RowTable table, int[] ids, Tensor out) {
    kernels.lookUp(table, ids, out);
  }

  @Override
  public void rope(Tensor x, int[] positions, RotaryTable table) {
    kernels.rope(x, positions, table);
  }

  @Override
  public void append(KvLayer kv, Tensor keys, Tensor values, int[] positions, RotaryTable table) {
    kernels.append(kv, keys, values, positions, table);
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    kernels.swiGlu(gate, up, out);
  }

  @Override
  public void add(Tensor x, Tensor y) {
    kernels.add(x, y);
  }

  @Override
  public void softmax(Tensor x) {
    kernels.softmax(x);
  }

  @Override
  public AttentionKernels attention() {
    return kernels.attention();
  }

  /** Leaves the provider open: it is the caller's. */
  @Override
  public void close() {}
}
