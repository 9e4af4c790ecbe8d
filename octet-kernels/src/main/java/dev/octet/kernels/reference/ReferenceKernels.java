package dev.octet.kernels.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.Products;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.linear.Shapes;
import dev.octet.kernels.linear.TransformedLinear;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Every operation in plain Java, computed in double and rounded once: the definition of right. */
public final class ReferenceKernels implements Kernels {
  private final Products products;
  private final WorkPool pool;
  private final ReferenceAttention attention;

  /**
   * @param threads how many threads work at once
   * @param products F32, or INT16 to round inputs as {@link Products#INT16} says
   */
  public ReferenceKernels(int threads, Products products) {
    if (products == Products.BF16) {
      throw new IllegalArgumentException(
          "products in bf16 are the cpu provider's alone; choose f32 or int16");
    }
    this.products = products;
    this.pool = new WorkPool(threads);
    this.attention = new ReferenceAttention(pool);
  }

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String isa() {
    return "scalar";
  }

  @Override
  public Products products() {
    return products;
  }

  @Override
  public int threads() {
    return pool.threads();
  }

  @Override
  public Linear linear(LinearWeights weights, Arena arena) {
    return TransformedLinear.of(weights, pool, plain -> new ReferenceLinear(plain, products, pool));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
    int n = Math.toIntExact(x.columns());
    Shapes.requireVector("weight", weight, n);
    Shapes.requireRows("x", x, n);
    Shapes.requireSame("x and out", x, out);
    if (bias != null) {
      Shapes.requireVector("bias", bias, n);
    }
    for (long r = 0; r < x.rows(); r++) {
      double squares = 0;
      for (int j = 0; j < n; j++) {
        double v = at(x, r * n + j);
        squares += v * v;
      }
      double factor = 1 / Math.sqrt(squares / n + epsilon);
      for (int j = 0; j < n; j++) {
        double y = at(x, r * n + j) * factor * at(weight, j) + (bias == null ? 0 : at(bias, j));
        set(out, r * n + j, y);
      }
    }
  }

  @Override
  public void rope(Tensor x, int[] positions, RotaryTable table) {
    int half = table.inverse().length;
    Shapes.requireHeads(x, positions.length, 2 * half);
    long heads = x.dim(1);
    long headDim = x.dim(2);
    for (int t = 0; t < positions.length; t++) {
      for (int i = 0; i < half; i++) {
        double angle = positions[t] * table.inverse()[i];
        double cos = Math.cos(angle) * table.magnitude();
        double sin = Math.sin(angle) * table.magnitude();
        for (long h = 0; h < heads; h++) {
          long first = (t * heads + h) * headDim + i;
          double a = at(x, first);
          double b = at(x, first + half);
          set(x, first, a * cos - b * sin);
          set(x, first + half, b * cos + a * sin);
        }
      }
    }
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    Shapes.requireSame("gate and up", gate, up);
    Shapes.requireSame("gate and out", gate, out);
    for (long i = 0; i < gate.size(); i++) {
      double g = at(gate, i);
      set(out, i, g / (1 + Math.exp(-g)) * at(up, i));
    }
  }

  @Override
  public void add(Tensor x, Tensor y) {
    Shapes.requireSame("x and y", x, y);
    for (long i = 0; i < x.size(); i++) {
      set(x, i, (double) at(x, i) + at(y, i));
    }
  }

  @Override
  public void softmax(Tensor x) {
    int n = Math.toIntExact(x.columns());
    Shapes.requireRows("x", x, n);
    double[] e = new double[n];
    for (long r = 0; r < x.rows(); r++) {
      double max = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < n; j++) {
        max = Math.max(max, at(x, r * n + j));
      }
      double sum = 0;
      for (int j = 0; j < n; j++) {
        e[j] = max == Double.NEGATIVE_INFINITY ? 0 : Math.exp(at(x, r * n + j) - max);
        sum += e[j];
      }
      for (int j = 0; j < n; j++) {
        set(x, r * n + j, sum == 0 ? 0 : e[j] / sum);
      }
    }
  }

  @Override
  public AttentionKernels attention() {
    return attention;
  }

  @Override
  public void close() {
    pool.close();
  }

  private static float at(Tensor x, long i) {
    MemorySegment s = x.segment();
    return s.get(JAVA_FLOAT_UNALIGNED, i << 2);
  }

  private static void set(Tensor x, long i, double value) {
    x.segment().setAtIndex(JAVA_FLOAT, i, (float) value);
  }
}
