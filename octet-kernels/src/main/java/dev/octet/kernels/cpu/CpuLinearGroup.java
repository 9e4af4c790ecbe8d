package dev.octet.kernels.cpu;

import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.cpu.CpuLinear.Product;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.Tensor;
import java.util.List;

/**
 * Layers that read x alike: it is quantized and ordered once, and their panels are one range of
 * work, one wait for all threads instead of one a layer.
 */
final class CpuLinearGroup implements LinearGroup {
  private final List<Linear> layers;
  private final List<CpuLinear> packed;
  private final WorkPool pool;
  private final long bytes;

  /**
   * @param packed at least one, each {@link CpuLinear#readsLike} the others
   */
  CpuLinearGroup(List<CpuLinear> packed, WorkPool pool) {
    this.layers = List.copyOf(packed);
    this.packed = List.copyOf(packed);
    this.pool = pool;
    this.bytes = packed.stream().mapToLong(layer -> layer.weight().codeBytes()).sum();
  }

  @Override
  public List<Linear> layers() {
    return layers;
  }

  @Override
  public void apply(Tensor x, Tensor... outs) {
    Shapes.requireOutputs(layers, outs);
    int rows = 0;
    for (int i = 0; i < outs.length; i++) {
      Linear layer = layers.get(i);
      rows = Shapes.requireLinear(x, outs[i], layer.inFeatures(), layer.outFeatures());
      if (!outs[i].segment().isNative()) {
        applyEach(x, outs);
        return;
      }
    }
    if (rows == 0) {
      return;
    }
    Product product = packed.getFirst().prepare(NativeMemory.of(x), rows);
    int[] starts = starts(product.each());
    int groups = starts[starts.length - 1];
    Panels panels = Panels.of(bytes, rows, 1, groups, groups, pool);
    pool.run(
        panels.tasks(), t -> multiply(product, starts, panels.group(t), panels.group(t + 1), outs));
  }

  /** Groups of panels before each layer's, and of all. */
  private int[] starts(int each) {
    int[] starts = new int[packed.size() + 1];
    for (int i = 0; i < packed.size(); i++) {
      int groups = Math.ceilDiv(packed.get(i).weight().panels(), each);
      starts[i + 1] = Math.addExact(starts[i], groups);
    }
    return starts;
  }

  /** Multiplies the groups {@code from}…{@code to - 1} of all layers, counted through. */
  private void multiply(Product product, int[] starts, int from, int to, Tensor[] outs) {
    int each = product.each();
    for (int i = 0; i < outs.length; i++) {
      CpuLinear layer = packed.get(i);
      int first = Math.max(from, starts[i]) - starts[i];
      int end = Math.min(to, starts[i + 1]) - starts[i];
      if (first < end) {
        int last = Math.min(each * end, layer.weight().panels());
        product.multiply().run(layer, each * first, last, outs[i].segment());
      }
    }
  }

  private void applyEach(Tensor x, Tensor[] outs) {
    for (int i = 0; i < outs.length; i++) {
      layers.get(i).apply(x, outs[i]);
    }
  }
}
