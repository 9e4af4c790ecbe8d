package dev.octet.kernels.linear;

import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A layer behind its input scale (AWQ, SmoothQuant) or online rotation (QuaRot). */
public final class TransformedLinear implements Linear {
  private final Linear linear;
  private final InputTransform transform;
  private final long byteSize;

  private TransformedLinear(Linear linear, InputTransform transform, long byteSize) {
    this.linear = linear;
    this.transform = transform;
    this.byteSize = byteSize;
  }

  /** The layer that {@code plain} makes, behind its input scale and transform if it has them. */
  public static Linear of(
      LinearWeights weights, WorkPool pool, Function<LinearWeights, Linear> plain) {
    Tensor scale = weights.inputScale();
    int order = weights.inputHadamard();
    if (scale == null && order == 0) {
      return plain.apply(weights);
    }
    Linear linear =
        plain.apply(new LinearWeights(weights.weight(), weights.bias(), weights.activation()));
    float[] scales = scale == null ? null : scale.toFloats();
    int width = Math.toIntExact(linear.inFeatures());
    return new TransformedLinear(
        linear, new InputTransform(scales, order, width, pool), weights.byteSize());
  }

  /**
   * Layers with the same transform as one: it is applied once.
   *
   * @param plain groups what is behind it
   * @return null unless all are such layers
   */
  public static @Nullable LinearGroup group(
      List<Linear> layers, Function<List<Linear>, LinearGroup> plain) {
    InputTransform shared = null;
    List<Linear> inner = new ArrayList<>();
    for (Linear layer : layers) {
      if (!(layer instanceof TransformedLinear l)
          || shared != null && !shared.equalTo(l.transform)) {
        return null;
      }
      shared = l.transform;
      inner.add(l.linear);
    }
    return shared == null ? null : new Group(List.copyOf(layers), shared, plain.apply(inner));
  }

  private record Group(List<Linear> layers, InputTransform transform, LinearGroup inner)
      implements LinearGroup {
    @Override
    public void apply(Tensor x, Tensor... outs) {
      Shapes.requireOutputs(layers, outs);
      int rows = 0;
      for (int i = 0; i < outs.length; i++) {
        Linear layer = layers.get(i);
        rows = Shapes.requireLinear(x, outs[i], layer.inFeatures(), layer.outFeatures());
      }
      inner.apply(transform.apply(x, rows), outs);
    }
  }

  @Override
  public long inFeatures() {
    return linear.inFeatures();
  }

  @Override
  public long outFeatures() {
    return linear.outFeatures();
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public RowTable table() {
    return linear.table();
  }

  @Override
  public void apply(Tensor x, Tensor out) {
    int rows = Shapes.requireLinear(x, out, inFeatures(), outFeatures());
    linear.apply(transform.apply(x, rows), out);
  }
}
