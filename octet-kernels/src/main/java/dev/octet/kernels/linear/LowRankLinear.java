package dev.octet.kernels.linear;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.LowRank;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A layer with a product of low rank beside it, both of the same input. */
final class LowRankLinear implements ForwardingLinear {
  /** Outputs of one task. */
  private static final int PIECE = 1 << 14;

  private static final ThreadLocal<KeptMemory> INNER = ThreadLocal.withInitial(KeptMemory::new);
  private static final ThreadLocal<KeptMemory> PRODUCT = ThreadLocal.withInitial(KeptMemory::new);

  private final Linear linear;
  private final Linear down;
  private final Linear up;
  private final long byteSize;
  private final WorkPool pool;

  /**
   * @param plain makes linear layers
   */
  LowRankLinear(
      Linear linear, LowRank product, WorkPool pool, Function<LinearWeights, Linear> plain) {
    this.linear = linear;
    this.down = plain.apply(dense(product.down()));
    this.up = plain.apply(dense(product.up()));
    this.byteSize = linear.byteSize() + product.byteSize();
    this.pool = pool;
  }

  private static LinearWeights dense(DenseWeight weight) {
    return new LinearWeights(weight, null, new ActivationQuant.None());
  }

  /**
   * Layers some of which have such a product as one.
   *
   * @param plain groups what is beside the products
   * @return null if none has
   */
  static @Nullable LinearGroup group(
      List<Linear> layers, Function<List<Linear>, LinearGroup> plain) {
    if (layers.stream().noneMatch(LowRankLinear.class::isInstance)) {
      return null;
    }
    List<Linear> inner = new ArrayList<>();
    layers.forEach(layer -> inner.add(layer instanceof LowRankLinear l ? l.linear : layer));
    return new Group(List.copyOf(layers), plain.apply(inner));
  }

  private record Group(List<Linear> layers, LinearGroup inner) implements LinearGroup {
    @Override
    public void apply(Tensor x, Tensor... outs) {
      inner.apply(x, outs);
      for (int i = 0; i < outs.length; i++) {
        if (layers.get(i) instanceof LowRankLinear layer) {
          layer.addProduct(x, outs[i]);
        }
      }
    }
  }

  @Override
  public Linear linear() {
    return linear;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public void apply(Tensor x, Tensor out) {
    linear.apply(x, out);
    addProduct(x, out);
  }

  private void addProduct(Tensor x, Tensor out) {
    long rows = x.rows();
    Tensor inner = INNER.get().floats(rows, down.outFeatures());
    down.apply(x, inner);
    Tensor product = PRODUCT.get().floats(rows, up.outFeatures());
    up.apply(inner, product);
    long size = out.size();
    pool.run(
        Math.toIntExact(Math.ceilDiv(size, (long) PIECE)),
        t -> {
          long end = Math.min(size, (t + 1L) * PIECE);
          for (long i = (long) t * PIECE; i < end; i++) {
            float sum =
                out.segment().get(JAVA_FLOAT_UNALIGNED, i << 2)
                    + product.segment().get(JAVA_FLOAT_UNALIGNED, i << 2);
            out.segment().set(JAVA_FLOAT_UNALIGNED, i << 2, sum);
          }
        });
  }
}
