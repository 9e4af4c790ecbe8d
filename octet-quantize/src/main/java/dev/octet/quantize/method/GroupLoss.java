package dev.octet.quantize.method;

import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.Tensor;
import java.util.Arrays;

/**
 * How much a change of one group's weights moves the layer's output: {@code d·H·dᵀ + 2·d·o}, H the
 * group's part of {@code Σ xᵀx} and o what the changes of other groups pull at it. In groups too
 * wide for that, channels count as independent. One thread uses one.
 */
final class GroupLoss {
  private static final int WIDEST = 256;

  /**
   * A group's part of a Gram matrix.
   *
   * @param lines its rows; in a wide group one, the diagonal
   */
  record Matrix(float[][] lines, boolean isJoint) {
    int width() {
      return lines[0].length;
    }
  }

  private final Matrix h;
  private final float[] product;
  private final float[] outside;

  GroupLoss(Matrix h) {
    this.h = h;
    this.product = new float[h.width()];
    this.outside = new float[h.width()];
  }

  /** Whether the channels of groups of so many columns are seen together. */
  static boolean isJoint(int block) {
    return block <= WIDEST;
  }

  /** The part of columns {@code from} to {@code to}. */
  static Matrix of(Tensor gram, int from, int to) {
    int width = to - from;
    boolean joint = isJoint(width);
    float[][] lines = new float[joint ? width : 1][width];
    for (int i = 0; i < width; i++) {
      if (joint) {
        Products.read(gram, from + i, from, lines[i], width);
      } else {
        lines[0][i] = gram.getFloat((from + i) * gram.columns() + from + i);
      }
    }
    return new Matrix(lines, joint);
  }

  int width() {
    return h.width();
  }

  /**
   * Begins with a change that is there, and returns its loss.
   *
   * @param pull what all groups' changes pull at this one, itself included: {@code Σ_h H_gh·d_hᵀ}
   */
  double begin(float[] change, float[] pull) {
    multiply(change);
    for (int j = 0; j < outside.length; j++) {
      outside[j] = h.isJoint() ? pull[j] - product[j] : 0;
    }
    return sum(change);
  }

  /** The loss of another change. */
  double of(float[] change) {
    multiply(change);
    return sum(change);
  }

  /** The try with the least loss. */
  int best(Trials trials, float[] values) {
    return h.isJoint()
        ? trials.joint(values, h.lines(), outside)
        : trials.apart(values, h.lines()[0]);
  }

  private void multiply(float[] d) {
    if (!h.isJoint()) {
      for (int j = 0; j < d.length; j++) {
        product[j] = d[j] * h.lines()[0][j];
      }
      return;
    }
    Arrays.fill(product, 0);
    for (int i = 0; i < d.length; i++) {
      float a = d[i];
      float[] line = h.lines()[i];
      for (int j = 0; j < line.length; j++) {
        product[j] += a * line[j];
      }
    }
  }

  private double sum(float[] d) {
    double sum = 0;
    for (int j = 0; j < d.length; j++) {
      sum += d[j] * ((double) product[j] + 2 * outside[j]);
    }
    return sum;
  }
}
