package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.F;
import static dev.octet.kernels.vector.Dot.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Linear;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.linear.Shapes;
import dev.octet.kernels.linear.TransformedLinear;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/** Every operation with the JDK's Vector API, at the widest vectors of any CPU. */
public final class VectorKernels implements Kernels {
  private static final float LOG2_E = 1.442695f;

  private final WorkPool pool;
  private final VectorAttention attention;
  private final RotaryCache rotary = new RotaryCache();

  /**
   * @param threads how many threads work at once
   */
  public VectorKernels(int threads) {
    this(new WorkPool(threads));
  }

  /**
   * @param pool closed with this
   */
  public VectorKernels(WorkPool pool) {
    this.pool = pool;
    this.attention = new VectorAttention(pool);
  }

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public String isa() {
    return width();
  }

  /** How wide the vectors are here. */
  public static String width() {
    return F.vectorBitSize() + "-bit Vector API";
  }

  @Override
  public int threads() {
    return pool.threads();
  }

  @Override
  public Linear linear(LinearWeights weights, Arena arena) {
    return TransformedLinear.of(weights, pool, plain -> new VectorLinear(plain, pool));
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
    MemorySegment biases = bias == null ? null : bias.segment();
    for (long r = 0; r < x.rows(); r++) {
      long base = r * n;
      float factor = (float) (1 / Math.sqrt(squares(x.segment(), base, n) / n + epsilon));
      for (int j = 0; j < n; j += LANES) {
        VectorMask<Float> m = F.indexInRange(j, n);
        FloatVector y =
            load(x.segment(), base + j, m).mul(factor).mul(load(weight.segment(), j, m));
        if (biases != null) {
          y = y.add(load(biases, j, m));
        }
        store(y, out.segment(), base + j, m);
      }
    }
  }

  private static double squares(MemorySegment x, long base, int n) {
    double sum = quickSquares(x, base, n);
    return sum == Double.POSITIVE_INFINITY ? wideSquares(x, base, n) : sum;
  }

  /** For squares beyond F32's range, which would turn the whole row into zeros. */
  private static double wideSquares(MemorySegment x, long base, int n) {
    double total = 0;
    for (int j = 0; j < n; j++) {
      double v = x.get(JAVA_FLOAT_UNALIGNED, (base + j) << 2);
      total += v * v;
    }
    return total;
  }

  private static double quickSquares(MemorySegment x, long base, int n) {
    double total = 0;
    for (int from = 0; from < n; from += 16 * LANES) {
      int to = Math.min(n, from + 16 * LANES);
      FloatVector sum = FloatVector.zero(F);
      for (int j = from; j < to; j += LANES) {
        FloatVector v = load(x, base + j, F.indexInRange(j, n));
        sum = v.fma(v, sum);
      }
      total += Lanes.sum(sum);
    }
    return total;
  }

  @Override
  public void rope(Tensor x, int[] positions, RotaryTable table) {
    int half = table.inverse().length;
    Shapes.requireHeads(x, positions.length, 2 * half);
    RotaryCache.Angles angles = rotary.angles(table, positions);
    int heads = Math.toIntExact(x.dim(1));
    long headDim = x.dim(2);
    for (int t = 0; t < positions.length; t++) {
      long at = (long) (positions[t] - angles.first()) * half;
      for (int h = 0; h < heads; h++) {
        long first = ((long) t * heads + h) * headDim;
        for (int i = 0; i < half; i += LANES) {
          VectorMask<Float> m = F.indexInRange(i, half);
          FloatVector cos = load(angles.cos(), at + i, m);
          FloatVector sin = load(angles.sin(), at + i, m);
          FloatVector a = load(x.segment(), first + i, m);
          FloatVector b = load(x.segment(), first + half + i, m);
          store(a.mul(cos).sub(b.mul(sin)), x.segment(), first + i, m);
          store(b.mul(cos).add(a.mul(sin)), x.segment(), first + half + i, m);
        }
      }
    }
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    Shapes.requireSame("gate and up", gate, up);
    Shapes.requireSame("gate and out", gate, out);
    long size = gate.size();
    int chunk = 1 << 14;
    pool.run(
        Math.toIntExact((size + chunk - 1) / chunk),
        c -> {
          long end = Math.min(size, (c + 1L) * chunk);
          for (long i = (long) c * chunk; i < end; i += LANES) {
            VectorMask<Float> m = F.indexInRange(0, (int) Math.min(LANES, end - i));
            FloatVector g = load(gate.segment(), i, m);
            FloatVector e = Exp2.of(g.abs().mul(-LOG2_E)); // of what is below 1: never overflows
            FloatVector top = g.mul(e).blend(g, g.compare(VectorOperators.GE, 0f));
            FloatVector silu = top.div(e.add(1f));
            store(silu.mul(load(up.segment(), i, m)), out.segment(), i, m);
          }
        });
  }

  @Override
  public void add(Tensor x, Tensor y) {
    Shapes.requireSame("x and y", x, y);
    long size = x.size();
    for (long i = 0; i < size; i += LANES) {
      VectorMask<Float> m = F.indexInRange(0, (int) Math.min(LANES, size - i));
      store(load(x.segment(), i, m).add(load(y.segment(), i, m)), x.segment(), i, m);
    }
  }

  @Override
  public void softmax(Tensor x) {
    int n = Math.toIntExact(x.columns());
    Shapes.requireRows("x", x, n);
    pool.run(Math.toIntExact(x.rows()), r -> softmaxRow(x.segment(), (long) r * n, n));
  }

  private static void softmaxRow(MemorySegment x, long base, int n) {
    FloatVector top = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    for (int j = 0; j < n; j += LANES) {
      VectorMask<Float> m = F.indexInRange(j, n);
      top = top.lanewise(VectorOperators.MAX, load(x, base + j, m), m);
    }
    float max = top.reduceLanes(VectorOperators.MAX);
    if (max == Float.NEGATIVE_INFINITY) {
      x.asSlice(base << 2, (long) n << 2).fill((byte) 0);
      return;
    }
    double sum = 0;
    for (int j = 0; j < n; j += LANES) {
      VectorMask<Float> m = F.indexInRange(j, n);
      FloatVector e = Exp2.of(load(x, base + j, m).sub(max).mul(LOG2_E));
      store(e, x, base + j, m);
      sum += Lanes.sum(FloatVector.zero(F).blend(e, m));
    }
    float factor = (float) (1 / sum);
    for (int j = 0; j < n; j += LANES) {
      VectorMask<Float> m = F.indexInRange(j, n);
      store(load(x, base + j, m).mul(factor), x, base + j, m);
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

  private static FloatVector load(MemorySegment s, long index, VectorMask<Float> m) {
    return FloatVector.fromMemorySegment(F, s, index << 2, LITTLE_ENDIAN, m);
  }

  private static void store(FloatVector v, MemorySegment s, long index, VectorMask<Float> m) {
    v.intoMemorySegment(s, index << 2, LITTLE_ENDIAN, m);
  }
}
