package dev.octet.quantize.method;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.octet.kernels.Kernels;
import dev.octet.quantize.linalg.Cholesky;
import dev.octet.quantize.linalg.Products;
import dev.octet.tensor.DType;
import dev.octet.tensor.GroupCoder;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.IntegerCodes;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Comparator;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * GPTQ (Frantar et al., arXiv 2210.17323): columns are quantized one after another, and the error
 * of each is made up for by the columns still to come, as far as the inputs go together. With
 * {@code H = Σ xᵀx} and {@code UᵀU = H⁻¹}, column i's error {@code e = (w − w') / U_ii} is spread
 * as {@code w_j −= e·U_ij}.
 *
 * <p>Every row is independent: rows are worked on in parallel, {@value #BLOCK} columns at a time;
 * what those do to the columns behind them is one matrix product. A group's scale is chosen from
 * weights that carry all errors so far, those of its own block included. {@code Σ e²} over all
 * columns is the error that is left in the layer's output: where ranges are searched, a group takes
 * the one that leaves the least of it once its columns have made up for each other, as far as that
 * is known within its block.
 */
public final class Gptq {
  private static final int BLOCK = 128;

  /** Columns of a product: bounds the memory it takes. */
  private static final int BAND = 2048;

  private final Kernels kernels;
  private final QuantScheme scheme;
  private final GptqOptions options;
  private final int n;
  private final int k;
  private final int[] order;
  private final boolean regroups;
  private final Tensor w;
  private final Tensor u;
  private final IntegerCodes result;
  private final byte[][] codes;
  private final float[][] scales;
  private final short[][] zeros;

  private Gptq(
      Tensor weight,
      Tensor gram,
      QuantScheme scheme,
      GptqOptions options,
      Kernels kernels,
      Arena scratch,
      Arena arena) {
    this.kernels = kernels;
    this.scheme = scheme;
    this.options = options;
    this.n = Math.toIntExact(weight.dim(0));
    this.k = Math.toIntExact(weight.dim(1));
    this.result = new IntegerCodes(scheme, n, k, arena);
    this.codes = new byte[n][k];
    this.scales = new float[n][result.groups()];
    this.zeros = new short[n][result.groups()];
    this.order = order(gram);
    this.regroups = regroups(options, result.groups());
    this.w = Tensor.allocate(scratch, DType.F32, n, k);
    eachRow(weight, (r, row) -> Products.write(w, r, 0, ordered(row, gram), k));
    this.u = inverseFactor(gram, scratch);
  }

  /**
   * Quantizes a weight.
   *
   * @param weight F32 [n, k], finite
   * @param gram {@code Σ xᵀx} of the layer's inputs, F32 [k, k]
   * @param scheme INT8 or INT4, per channel or group
   * @param arena owns the result; a shared or automatic one
   * @throws IllegalArgumentException for another scheme, or if the inputs were no finite numbers
   */
  public static QuantizedWeight quantize(
      Tensor weight,
      Tensor gram,
      QuantScheme scheme,
      GptqOptions options,
      Kernels kernels,
      Arena arena) {
    try (Arena scratch = Arena.ofShared()) {
      return new Gptq(weight, gram, scheme, options, kernels, scratch, arena).run(arena);
    }
  }

  /** One group is the same in any order: its columns stay where they were. */
  private static boolean regroups(GptqOptions options, long groups) {
    return options.order() == ActOrder.GROUP && groups > 1;
  }

  /**
   * A weight of the form that {@link #quantize} makes in the same scheme, with any order of columns
   * for that of importance.
   *
   * @param rounded to nearest
   */
  public static QuantizedWeight regrouped(QuantizedWeight rounded, GptqOptions options) {
    return switch (rounded) {
      case Int4Weight w when regroups(options, w.grid().scales().dim(1)) ->
          new Int4Weight(w.packed(), w.columns(), w.grid(), identity(w.columns()));
      case Int8Weight w when regroups(options, w.grid().scales().dim(1)) ->
          new Int8Weight(w.codes(), w.grid(), identity(w.columns()));
      default -> rounded;
    };
  }

  private static Tensor identity(long columns) {
    Tensor order = Tensor.allocate(Arena.ofAuto(), DType.I32, columns);
    for (int j = 0; j < columns; j++) {
      order.segment().setAtIndex(JAVA_INT, j, j);
    }
    return order;
  }

  @FunctionalInterface
  private interface RowUse {
    void accept(int r, float[] row);
  }

  private void eachRow(Tensor matrix, RowUse use) {
    IntStream.range(0, n)
        .parallel()
        .forEach(
            r -> {
              float[] row = new float[k];
              Products.read(matrix, r, 0, row, k);
              use.accept(r, row);
            });
  }

  /** Position → stored column. */
  private int[] order(Tensor gram) {
    Comparator<Integer> byImportance = Comparator.comparingDouble(j -> -importance(gram, j));
    Stream<Integer> columns = IntStream.range(0, k).boxed();
    return switch (options.order()) {
      case NONE -> IntStream.range(0, k).toArray();
      case GROUP -> columns.sorted(byImportance).mapToInt(Integer::intValue).toArray();
      case STATIC -> {
        double[] groups = new double[result.groups()];
        for (int j = 0; j < k; j++) {
          int g = j / result.block();
          groups[g] += importance(gram, j) / groupSize(g);
        }
        Comparator<Integer> byGroup = Comparator.comparingDouble(j -> -groups[j / result.block()]);
        yield columns
            .sorted(byGroup.thenComparingInt(j -> j / result.block()).thenComparing(byImportance))
            .mapToInt(Integer::intValue)
            .toArray();
      }
    };
  }

  /** Columns of a group; the last may be short. */
  private int groupSize(int group) {
    return Math.min(result.block(), k - group * result.block());
  }

  private double importance(Tensor gram, int j) {
    return gram.getFloat((long) j * k + j);
  }

  /** The row in the order of work; an input that was always 0 needs no weight. */
  private float[] ordered(float[] row, Tensor gram) {
    float[] out = new float[k];
    for (int i = 0; i < k; i++) {
      out[i] = importance(gram, order[i]) == 0 ? 0 : row[order[i]];
    }
    return out;
  }

  private void keep(GroupCoder coder, int r, int group) {
    scales[r][group] = coder.scale();
    zeros[r][group] = (short) coder.zero();
  }

  private Tensor inverseFactor(Tensor gram, Arena scratch) {
    double trace = 0;
    for (int j = 0; j < k; j++) {
      trace += importance(gram, j);
    }
    if (!(trace < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("its inputs are no finite numbers");
    }
    double mean = trace / k;
    for (double part = options.damping(); ; part *= 10) {
      try (Arena attempt = Arena.ofShared()) {
        return Cholesky.upperOfInverse(kernels, damped(gram, part * mean, attempt), scratch);
      } catch (Cholesky.NotPositiveDefinite e) {
        if (part >= 1) {
          throw new IllegalArgumentException("its inputs are no finite numbers", e);
        }
      }
    }
  }

  private Tensor damped(Tensor gram, double more, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, k, k);
    IntStream.range(0, k)
        .parallel()
        .forEach(
            i -> {
              float[] row = new float[k];
              float[] moved = new float[k];
              Products.read(gram, order[i], 0, row, k);
              for (int j = 0; j < k; j++) {
                moved[j] = row[order[j]];
              }
              moved[i] = (float) (moved[i] == 0 ? Math.max(more, 1) : moved[i] + more);
              Products.write(out, i, 0, moved, k);
            });
    return out;
  }

  private QuantizedWeight run(Arena arena) {
    for (int from = 0; from < k; from += BLOCK) {
      int to = Math.min(k, from + BLOCK);
      try (Arena scratch = Arena.ofShared()) {
        Tensor errors = Tensor.allocate(scratch, DType.F32, n, to - from);
        block(from, to, errors);
        spread(from, to, errors);
      }
    }
    for (int r = 0; r < n; r++) {
      result.put(r, codes[r], scales[r], zeros[r]);
    }
    return result.weight(regroups ? permutation(arena) : null);
  }

  private Tensor permutation(Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.I32, k);
    for (int j = 0; j < k; j++) {
      out.segment().setAtIndex(JAVA_INT, j, order[j]);
    }
    return out;
  }

  /** Quantizes columns {@code from} to {@code to} of every row. */
  private void block(int from, int to, Tensor errors) {
    int m = to - from;
    float[][] factor = new float[m][m];
    for (int i = 0; i < m; i++) {
      Products.read(u, from + i, from, factor[i], m);
    }
    IntStream.range(0, n).parallel().forEach(r -> row(r, from, m, factor, errors));
  }

  private void row(int r, int from, int m, float[][] factor, Tensor errors) {
    GroupCoder coder = new GroupCoder(scheme, options.clipping());
    Trials trials = new Trials(coder);
    float[] values = new float[m];
    float[] error = new float[m];
    Products.read(w, r, from, values, m);
    for (int i = 0; i < m; i++) {
      enterGroup(coder, trials, r, from, i, values, factor);
      int code = coder.encode(values[i]);
      codes[r][stored(from + i)] = (byte) code;
      float e = (values[i] - coder.decode(code)) / factor[i][i];
      float[] along = factor[i];
      for (int j = i; j < m; j++) {
        values[j] -= e * along[j];
      }
      error[i] = e;
    }
    Products.write(errors, r, 0, error, m);
  }

  /** Where the code of position {@code i} is stored. */
  private int stored(int i) {
    return regroups ? i : order[i];
  }

  private void enterGroup(
      GroupCoder coder, Trials trials, int r, int from, int i, float[] values, float[][] factor) {
    int position = from + i;
    int group = groupAt(position);
    if (position == 0 || groupAt(position - 1) != group) {
      float[] members = members(r, position, i, values);
      if (members.length <= values.length - i && options.clipping().steps() > 0) {
        coder.attempt(trials.compensated(members, i, factor));
      } else {
        coder.choose(members, 0, members.length);
      }
      keep(coder, r, group);
    } else if (i == 0) {
      coder.use(scales[r][group], zeros[r][group]);
    }
  }

  /** Groups lie together in every order of work. */
  private int groupAt(int position) {
    return stored(position) / result.block();
  }

  /** The group that begins at a position, its part beyond this block from {@link #w}. */
  private float[] members(int r, int position, int i, float[] values) {
    int size = groupSize(groupAt(position));
    float[] members = new float[size];
    int here = Math.min(size, values.length - i);
    System.arraycopy(values, i, members, 0, here);
    if (here < size) {
      float[] behind = new float[size - here];
      Products.read(w, r, position + here, behind, behind.length);
      System.arraycopy(behind, 0, members, here, behind.length);
    }
    return members;
  }

  /** {@code W[:, to…] −= errors·U[from…to, to…]}. */
  private void spread(int from, int to, Tensor errors) {
    int m = to - from;
    for (int column = to; column < k; column += BAND) {
      int width = Math.min(k, column + BAND) - column;
      int at = column;
      try (Arena scratch = Arena.ofShared()) {
        Tensor factor = Products.transposed(u, from, column, m, width, scratch);
        Tensor change = Products.timesTransposed(kernels, errors, factor, scratch);
        IntStream.range(0, n).parallel().forEach(r -> subtract(change, r, at, width));
      }
    }
  }

  private void subtract(Tensor change, int r, int column, int width) {
    float[] values = new float[width];
    float[] less = new float[width];
    Products.read(w, r, column, values, width);
    Products.read(change, r, 0, less, width);
    for (int j = 0; j < width; j++) {
      values[j] -= less[j];
    }
    Products.write(w, r, column, values, width);
  }
}
