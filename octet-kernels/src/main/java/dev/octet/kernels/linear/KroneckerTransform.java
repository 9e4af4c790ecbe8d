package dev.octet.kernels.linear;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.Linear;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.InputMatrix.Kronecker;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The input times {@code left ⊗ right}: {@code leftᵀ·X·right} for every row as a matrix X [l, r].
 *
 * <p>Both products are the provider's own linear layers. The right one reads all rows of all X; for
 * the left one every X is transposed before and after. Together they cost l + r products a channel
 * instead of the l·r of the whole matrix.
 */
final class KroneckerTransform implements InputTransform {
  private static final ThreadLocal<KeptMemory> FIRST = ThreadLocal.withInitial(KeptMemory::new);
  private static final ThreadLocal<KeptMemory> SECOND = ThreadLocal.withInitial(KeptMemory::new);

  private final @Nullable ScaledHadamard scale;
  private final Kronecker matrix;
  private final @Nullable Linear left;
  private final @Nullable Linear right;
  private final int l;
  private final int r;
  private final WorkPool pool;

  /**
   * @param scale what comes before, or null
   * @param columns channels of the input
   * @param plain makes linear layers
   */
  KroneckerTransform(
      @Nullable ScaledHadamard scale,
      Kronecker matrix,
      long columns,
      WorkPool pool,
      Function<LinearWeights, Linear> plain) {
    this.scale = scale;
    this.matrix = matrix;
    this.left = matrix.left() == null ? null : plain.apply(times(matrix.left()));
    this.right = matrix.right() == null ? null : plain.apply(times(matrix.right()));
    this.l = matrix.leftOrder(columns);
    this.r = matrix.rightOrder(columns);
    this.pool = pool;
  }

  /** A layer multiplies with its weight transposed. */
  private static LinearWeights times(Tensor matrix) {
    int n = Math.toIntExact(matrix.dim(0));
    Tensor transposed = Tensor.allocate(Arena.ofAuto(), DType.F32, n, n);
    transpose(matrix.segment(), n, n, 0, transposed.segment(), new float[n]);
    return new LinearWeights(new DenseWeight(transposed), null, new ActivationQuant.None());
  }

  @Override
  public boolean sameAs(InputTransform other) {
    return other instanceof KroneckerTransform o
        && l == o.l
        && r == o.r
        && matrix.sameAs(o.matrix)
        && (scale == null ? o.scale == null : o.scale != null && scale.sameAs(o.scale));
  }

  @Override
  public Tensor apply(Tensor x, int rows) {
    Tensor values = scale == null ? x : scale.apply(x, rows);
    if (right != null) {
      Tensor product = FIRST.get().floats((long) rows * l, r);
      right.apply(values.reshape((long) rows * l, r), product);
      values = product;
    }
    if (left != null) {
      Tensor turned = transposed(values, rows, l, r, SECOND.get());
      Tensor product = FIRST.get().floats((long) rows * r, l);
      left.apply(turned, product);
      values = transposed(product, rows, r, l, SECOND.get());
    }
    return values.reshape(rows, (long) l * r);
  }

  /** Every matrix [height, width] transposed. */
  private Tensor transposed(Tensor x, int rows, int height, int width, KeptMemory memory) {
    Tensor out = memory.floats((long) rows * width, height);
    int tasks = Math.min(rows, 4 * pool.threads());
    pool.run(
        tasks,
        t -> {
          float[] column = new float[height];
          int end = (int) ((t + 1L) * rows / tasks);
          for (int row = (int) ((long) t * rows / tasks); row < end; row++) {
            transpose(
                x.segment(), height, width, (long) row * height * width, out.segment(), column);
          }
        });
    return out;
  }

  /** One matrix, both sides beginning at element {@code from}. */
  private static void transpose(
      MemorySegment in, int height, int width, long from, MemorySegment out, float[] column) {
    for (int j = 0; j < width; j++) {
      for (int i = 0; i < height; i++) {
        column[i] = in.get(JAVA_FLOAT_UNALIGNED, from + (long) i * width + j << 2);
      }
      MemorySegment.copy(
          column, 0, out, JAVA_FLOAT_UNALIGNED, from + (long) j * height << 2, height);
    }
  }
}
