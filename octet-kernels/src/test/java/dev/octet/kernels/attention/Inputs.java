package dev.octet.kernels.attention;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;

/** Seeded queries, keys and values of one call, and its result. */
record Inputs(Tensor q, Tensor keys, Tensor values) {
  static Inputs normal(
      long seed, int queries, int heads, int n, int kvHeads, int keyDim, int valueDim) {
    Random random = new Random(seed);
    return new Inputs(
        normal(random, queries, heads, keyDim),
        normal(random, n, kvHeads, keyDim),
        normal(random, n, kvHeads, valueDim));
  }

  static Tensor normal(Random random, int... shape) {
    float[] x = new float[shape[0] * shape[1] * shape[2]];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(x, shape[0], shape[1], shape[2]);
  }

  /** Output and log-sum-exp of a call. */
  record Result(float[] out, float[] lse) {}

  Result attend(AttentionKernels kernels, AttentionKind kind, AttentionSpec spec) {
    Tensor out = filled(q.dim(0), spec.heads(), values.dim(2));
    Tensor lse = filled(spec.heads(), q.dim(0));
    kernels.attend(kind, spec, q, keys, values, out, lse);
    return new Result(out.toFloats(), lse.toFloats());
  }

  Result attend(AttentionKernels kernels, AttentionKind kind, AttentionSpec spec, KvLayer kv) {
    Tensor out = filled(q.dim(0), spec.heads(), values.dim(2));
    Tensor lse = filled(spec.heads(), q.dim(0));
    kernels.attend(kind, spec, q, kv, out, lse);
    return new Result(out.toFloats(), lse.toFloats());
  }

  /** A result tensor holding garbage, so that an element left unwritten shows. */
  private static Tensor filled(long... shape) {
    Tensor tensor = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.setFloat(i, 12345);
    }
    return tensor;
  }

  /** Appends all keys and values in chunks of the given sizes, the last one repeated. */
  void appendTo(KvLayer kv, int... chunks) {
    int n = (int) keys.dim(0);
    int at = 0;
    for (int i = 0; at < n; i++) {
      int end = Math.min(n, at + chunks[Math.min(i, chunks.length - 1)]);
      kv.append(tokens(keys, at, end), tokens(values, at, end));
      at = end;
    }
  }

  static Tensor tokens(Tensor x, int from, int to) {
    int width = (int) (x.dim(1) * x.dim(2));
    float[] part = new float[(to - from) * width];
    x.copyRange((long) from * width, part);
    return Tensor.ofFloats(part, to - from, x.dim(1), x.dim(2));
  }

  static double relL1(float[] got, double[] expected) {
    double error = 0;
    double total = 0;
    for (int i = 0; i < got.length; i++) {
      error += Math.abs(got[i] - expected[i]);
      total += Math.abs(expected[i]);
    }
    return total == 0 ? error : error / total;
  }

  static double relL1(float[] got, float[] expected) {
    return relL1(got, widen(expected));
  }

  static double[] widen(float[] x) {
    double[] wide = new double[x.length];
    for (int i = 0; i < wide.length; i++) {
      wide[i] = x[i];
    }
    return wide;
  }

  /** Largest difference; equal infinities differ by 0, a NaN by NaN. */
  static double maxDiff(float[] got, double[] expected) {
    double max = 0;
    for (int i = 0; i < got.length; i++) {
      max = Math.max(max, got[i] == expected[i] ? 0 : Math.abs(got[i] - expected[i]));
    }
    return max;
  }
}
