package dev.octet.kernels.reference;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.attention.FastStep;
import java.util.Arrays;

/**
 * Online softmax of one query (FlashAttention, arXiv 2205.14135, algorithm 1): running maximum m,
 * row sum l and output, everything in the log2 domain. The subclasses differ in what P is.
 */
abstract sealed class OnlineRow {
  /** Running maximum; −∞ until a key is seen. */
  double max = Double.NEGATIVE_INFINITY;

  /** Σ P at the running maximum. */
  double sum;

  final double[] acc;

  private OnlineRow(int valueDim) {
    this.acc = new double[valueDim];
  }

  static OnlineRow of(AttentionKind kind, int valueDim) {
    return switch (kind) {
      case F32, BF16, INT8_BF16, INT_FLASH_HALF -> new Floating(kind, valueDim);
      case INT8 -> new Int8(valueDim);
      case INT8_FAST -> new Int8Fast(valueDim);
      case INT_FLASH -> new IntFlash(valueDim);
    };
  }

  /**
   * Adds a tile of which at least one key is seen.
   *
   * @param x scores in the log2 domain, −∞ for keys the query does not see
   */
  abstract void add(double[] x, Tile values);

  /** Sum of exponentials at the running maximum. */
  double rowSum() {
    return sum;
  }

  /** acc/l, zeros for a query that saw no key. */
  final float[] output() {
    float[] out = new float[acc.length];
    for (int c = 0; c < out.length && max != Double.NEGATIVE_INFINITY; c++) {
      out[c] = (float) (acc[c] / sum);
    }
    return out;
  }

  /** Natural logarithm of the sum of exponentials. */
  final double lse() {
    return max * Math.log(2) + Math.log(rowSum());
  }

  /** Moves m to the maximum of {@code x} and rescales what is there. */
  final void raiseMax(double[] x) {
    double raised = max;
    for (double xj : x) {
      raised = Math.max(raised, xj);
    }
    double alpha = max == Double.NEGATIVE_INFINITY ? 0 : exp2(max - raised);
    sum *= alpha;
    for (int c = 0; c < acc.length; c++) {
      acc[c] *= alpha;
    }
    max = raised;
  }

  final void accumulate(double p, float[] value) {
    for (int c = 0; c < acc.length; c++) {
      acc[c] += p * value[c];
    }
  }

  static double exp2(double x) {
    return Math.pow(2, x);
  }

  /** P, times the scale of V, and V in a floating-point type, row sums of the unrounded P. */
  private static final class Floating extends OnlineRow {
    private final Rounding rounding;

    Floating(AttentionKind kind, int valueDim) {
      super(valueDim);
      this.rounding = Rounding.ofProbabilities(kind);
    }

    @Override
    void add(double[] x, Tile values) {
      raiseMax(x);
      for (int j = 0; j < x.length; j++) {
        if (x[j] != Double.NEGATIVE_INFINITY) {
          double p = exp2(x[j] - max);
          sum += p;
          accumulate(rounding.round(p * values.scale(j)), values.rows()[j]);
        }
      }
    }
  }

  /**
   * Full INT8: V's token scales c folded into P, whose unsigned codes are relative to the largest
   * c·P of this tile, so that neither an attention sink nor small values lose them. Row sums are of
   * the unquantized P.
   */
  private static sealed class Int8 extends OnlineRow {
    Int8(int valueDim) {
      super(valueDim);
    }

    @Override
    void add(double[] x, Tile values) {
      raiseMax(x);
      double[] folded = new double[x.length];
      for (int j = 0; j < x.length; j++) {
        sum += exp2(x[j] - max);
        folded[j] = x[j] == Double.NEGATIVE_INFINITY ? x[j] : x[j] + log2(values.scale(j));
      }
      double top = Arrays.stream(folded).reduce(Double.NEGATIVE_INFINITY, Math::max);
      if (top == Double.NEGATIVE_INFINITY) {
        return; // every value in sight is zero
      }
      double step = exp2(top - max) / 255;
      for (int j = 0; j < x.length; j++) {
        if (x[j] != Double.NEGATIVE_INFINITY) {
          accumulate(Math.rint(255 * exp2(folded[j] - top)) * step, values.rows()[j]);
        }
      }
    }

    private static double log2(double x) {
      return Math.log(x) / Math.log(2);
    }
  }

  /** Full INT8 with the tiles that {@link FastStep} is for taken as it says. */
  private static final class Int8Fast extends Int8 {
    Int8Fast(int valueDim) {
      super(valueDim);
    }

    @Override
    void add(double[] x, Tile values) {
      float bound = FastStep.bound(values.scales(), x.length);
      double least = Arrays.stream(x).reduce(Double.POSITIVE_INFINITY, Math::min);
      if (bound == 0 || least == Double.NEGATIVE_INFINITY) {
        super.add(x, values);
        return;
      }
      double own = Arrays.stream(x).reduce(Double.NEGATIVE_INFINITY, Math::max);
      raiseMax(x);
      double weight = exp2(own - max);
      for (int j = 0; j < x.length; j++) {
        double p = FastStep.exp2(x[j] - own);
        sum += p * weight;
        double code = Math.rint(255 * p * (values.scale(j) / bound));
        accumulate(code * weight * bound / 255, values.rows()[j]);
      }
    }
  }

  /** INT-FlashAttention: P·127 under the running maximum, row sums of the codes. */
  private static final class IntFlash extends OnlineRow {
    IntFlash(int valueDim) {
      super(valueDim);
    }

    @Override
    void add(double[] x, Tile values) {
      raiseMax(x);
      for (int j = 0; j < x.length; j++) {
        if (x[j] != Double.NEGATIVE_INFINITY) {
          double code = Math.rint(127 * exp2(x[j] - max));
          sum += code;
          accumulate(code, values.rows()[j]);
        }
      }
    }

    @Override
    double rowSum() {
      return sum / 127;
    }
  }
}
