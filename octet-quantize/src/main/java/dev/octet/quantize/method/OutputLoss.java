package dev.octet.quantize.method;

import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * How much a change of a group's weights moves the layer's output on sample inputs: {@code
 * dᵀ·H_g·d} with {@code H_g = Σ x_g·x_gᵀ} over the group's channels, as AWQ's search for clipping
 * asks it. In groups too wide for that, channels count as independent.
 */
final class OutputLoss {
  private static final int WIDEST = 256;

  private OutputLoss() {}

  /**
   * One loss a group; each may be used by several threads.
   *
   * @param sample F32 [rows, k]
   * @param block columns of a group
   */
  static List<GroupCoder.Loss> ofGroups(Tensor sample, int block) {
    int k = Math.toIntExact(sample.columns());
    List<GroupCoder.Loss> losses = new ArrayList<>();
    for (int from = 0; from < k; from += block) {
      int width = Math.min(block, k - from);
      losses.add(width <= WIDEST ? joint(sample, from, width) : separate(sample, from, width));
    }
    return losses;
  }

  private static GroupCoder.Loss joint(Tensor sample, int from, int width) {
    float[][] h = new float[width][width];
    float[] x = new float[width];
    for (long r = 0; r < sample.rows(); r++) {
      Products.read(sample, r, from, x, width);
      for (int i = 0; i < width; i++) {
        float a = x[i];
        float[] line = h[i];
        for (int j = 0; j < width; j++) {
          line[j] += a * x[j];
        }
      }
    }
    return (change, count) -> {
      double sum = 0;
      for (int i = 0; i < count; i++) {
        sum += (double) change[i] * dot(h[i], change, count);
      }
      return sum;
    };
  }

  /** Four sums, so that additions need not wait for each other. */
  private static float dot(float[] a, float[] b, int count) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int j = 0;
    for (; j < count - 3; j += 4) {
      s0 += a[j] * b[j];
      s1 += a[j + 1] * b[j + 1];
      s2 += a[j + 2] * b[j + 2];
      s3 += a[j + 3] * b[j + 3];
    }
    for (; j < count; j++) {
      s0 += a[j] * b[j];
    }
    return s0 + s1 + (s2 + s3);
  }

  private static GroupCoder.Loss separate(Tensor sample, int from, int width) {
    double[] squares = new double[width];
    float[] x = new float[width];
    for (long r = 0; r < sample.rows(); r++) {
      Products.read(sample, r, from, x, width);
      for (int j = 0; j < width; j++) {
        squares[j] += (double) x[j] * x[j];
      }
    }
    return (change, count) -> {
      double sum = 0;
      for (int j = 0; j < count; j++) {
        sum += squares[j] * change[j] * change[j];
      }
      return sum;
    };
  }
}
