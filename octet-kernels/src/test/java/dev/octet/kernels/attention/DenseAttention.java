package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionSpec;
import dev.octet.tensor.Tensor;

/** Softmax attention in F64 with whole score rows: what the kernels are measured against. */
final class DenseAttention {
  final double[] out;
  final double[] lse;

  private DenseAttention(int out, int lse) {
    this.out = new double[out];
    this.lse = new double[lse];
  }

  static DenseAttention of(AttentionSpec spec, Tensor q, Tensor keys, Tensor values) {
    int queries = (int) q.dim(0);
    int heads = spec.heads();
    int kvHeads = (int) keys.dim(1);
    int n = (int) keys.dim(0);
    int dim = (int) q.dim(2);
    int valueDim = (int) values.dim(2);
    DenseAttention result = new DenseAttention(queries * heads * valueDim, queries * heads);
    for (int i = 0; i < queries; i++) {
      for (int h = 0; h < heads; h++) {
        int g = h * kvHeads / heads;
        double[] x = new double[n];
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < n; j++) {
          x[j] = sees(spec, i, j, n) ? 0 : Double.NEGATIVE_INFINITY;
          for (int c = 0; c < dim; c++) {
            x[j] +=
                (double) q.getFloat(((long) i * heads + h) * dim + c)
                    * keys.getFloat(((long) j * kvHeads + g) * dim + c)
                    * spec.scale();
          }
          max = Math.max(max, x[j]);
        }
        double sum = 0;
        for (int j = 0; j < n; j++) {
          double p = max == Double.NEGATIVE_INFINITY ? 0 : Math.exp(x[j] - max);
          sum += p;
          for (int c = 0; c < valueDim && p != 0; c++) {
            result.out[(i * heads + h) * valueDim + c] +=
                p * values.getFloat(((long) j * kvHeads + g) * valueDim + c);
          }
        }
        for (int c = 0; c < valueDim && sum != 0; c++) {
          result.out[(i * heads + h) * valueDim + c] /= sum;
        }
        result.lse[h * queries + i] = max + Math.log(sum);
      }
    }
    return result;
  }

  private static boolean sees(AttentionSpec spec, int i, int j, int n) {
    int position = spec.offset() + i;
    boolean reached = !spec.causal() || j <= position;
    boolean near = spec.window() == 0 || j > position - spec.window();
    Tensor mask = spec.mask();
    return reached && near && (mask == null || mask.getLong((long) i * n + j) != 0);
  }
}
