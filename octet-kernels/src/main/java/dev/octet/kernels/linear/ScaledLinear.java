package dev.octet.kernels.linear;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.Linear;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.function.Function;

/** A layer that multiplies every channel of its input with a number first. */
public final class ScaledLinear implements Linear {
  private final Linear linear;
  private final float[] scale;
  private final long byteSize;

  private ScaledLinear(Linear linear, float[] scale, long byteSize) {
    this.linear = linear;
    this.scale = scale;
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
    LinearWeights rest = new LinearWeights(weights.weight(), weights.bias(), weights.activation());
    Linear linear =
        order == 0 ? plain.apply(rest) : new TurnedLinear(plain.apply(rest), order, pool);
    return scale == null ? linear : new ScaledLinear(linear, scale.toFloats(), weights.byteSize());
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
    try (Arena arena = Arena.ofShared()) {
      Tensor scaled = Tensor.allocate(arena, DType.F32, rows, scale.length);
      float[] row = new float[scale.length];
      for (int r = 0; r < rows; r++) {
        long first = (long) r * row.length;
        x.copyRange(first, row);
        for (int j = 0; j < row.length; j++) {
          scaled.segment().set(JAVA_FLOAT_UNALIGNED, first + j << 2, row[j] * scale[j]);
        }
      }
      linear.apply(scaled, out);
    }
  }
}
