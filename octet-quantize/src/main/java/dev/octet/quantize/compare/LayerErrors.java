package dev.octet.quantize.compare;

import dev.octet.model.LayerTap;
import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Relative error of the residual stream after every layer: the mean over tokens of {@code ‖h' − h‖
 * / ‖h‖}. Token by token, because a few tokens of many models have streams a thousand times as
 * large as the others' and would hide them.
 */
final class LayerErrors {
  private final double[] sums;
  private long tokens;

  LayerErrors(int layers) {
    this.sums = new double[layers];
  }

  /** Keeps copies of a pass's streams. */
  static final class Recorder implements LayerTap {
    private final List<Tensor> streams = new ArrayList<>();
    private final Arena arena;

    Recorder(Arena arena) {
      this.arena = arena;
    }

    @Override
    public void left(int layer, Tensor hidden) {
      Tensor copy = Tensor.allocate(arena, DType.F32, hidden.shape());
      MemorySegment.copy(hidden.segment(), 0, copy.segment(), 0, copy.byteSize());
      streams.add(copy);
    }
  }

  /** Compares another model's pass over the same tokens as it runs. */
  LayerTap against(Recorder base) {
    return (layer, hidden) -> add(layer, base.streams.get(layer), hidden);
  }

  private void add(int layer, Tensor base, Tensor other) {
    int width = Math.toIntExact(base.columns());
    float[] left = new float[width];
    float[] right = new float[width];
    for (long r = 0; r < base.rows(); r++) {
      Products.read(base, r, 0, left, width);
      Products.read(other, r, 0, right, width);
      double off = 0;
      double size = 0;
      for (int j = 0; j < width; j++) {
        double d = (double) right[j] - left[j];
        off += d * d;
        size += (double) left[j] * left[j];
      }
      sums[layer] += Math.sqrt(off / Math.max(size, Double.MIN_NORMAL));
    }
    if (layer == sums.length - 1) {
      tokens += base.rows();
    }
  }

  /** A mean a layer. */
  List<Double> means() {
    List<Double> means = new ArrayList<>();
    for (double sum : sums) {
      means.add(sum / Math.max(1, tokens));
    }
    return means;
  }
}
