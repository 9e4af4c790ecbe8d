package dev.octet.kernels.linear;

import dev.octet.kernels.Linear;
import dev.octet.kernels.LinearGroup;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.InputMatrix.Hadamard;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A layer behind its input scale (AWQ, SmoothQuant), online rotation (QuaRot) or learnt matrix
 * (FlatQuant).
 */
public final class TransformedLinear implements ForwardingLinear {
  private final Linear linear;
  private final InputTransform transform;
  private final long byteSize;

  private TransformedLinear(Linear linear, InputTransform transform, long byteSize) {
    this.linear = linear;
    this.transform = transform;
    this.byteSize = byteSize;
  }

  /** The layer that {@code plain} makes, with what comes before and beside its product if any. */
  public static Linear of(
      LinearWeights weights, WorkPool pool, Function<LinearWeights, Linear> plain) {
    if (weights.plain()) {
      return plain.apply(weights);
    }
    Linear linear =
        plain.apply(new LinearWeights(weights.weight(), weights.bias(), weights.activation()));
    if (weights.lowRank() != null) {
      linear = new LowRankLinear(linear, weights.lowRank(), pool, plain);
    }
    InputTransform transform = transform(weights, pool, plain);
    return transform == null
        ? linear
        : new TransformedLinear(linear, transform, weights.byteSize());
  }

  private static @Nullable InputTransform transform(
      LinearWeights weights, WorkPool pool, Function<LinearWeights, Linear> plain) {
    int width = Math.toIntExact(weights.weight().columns());
    float[] scales = weights.inputScale() == null ? null : weights.inputScale().toFloats();
    return switch (weights.inputMatrix()) {
      case null -> scales == null ? null : new ScaledHadamard(scales, 0, width, pool);
      case Hadamard(int order) -> new ScaledHadamard(scales, order, width, pool);
      case Kronecker k -> {
        ScaledHadamard first = scales == null ? null : new ScaledHadamard(scales, 0, width, pool);
        yield new KroneckerTransform(first, k, width, pool, plain);
      }
    };
  }

  /**
   * Layers with the same transform as one: it is applied once. The same where some of them have
   * products of low rank beside them.
   *
   * @param plain groups what is behind and beside
   * @return null unless layers are such
   */
  public static @Nullable LinearGroup group(
      List<Linear> layers, Function<List<Linear>, LinearGroup> plain) {
    InputTransform shared = null;
    List<Linear> inner = new ArrayList<>();
    for (Linear layer : layers) {
      if (!(layer instanceof TransformedLinear l)
          || shared != null && !shared.sameAs(l.transform)) {
        return LowRankLinear.group(layers, plain);
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
  public Linear linear() {
    return linear;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public void apply(Tensor x, Tensor out) {
    int rows = Shapes.requireLinear(x, out, inFeatures(), outFeatures());
    linear.apply(transform.apply(x, rows), out);
  }
}
