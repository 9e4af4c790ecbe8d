package dev.octet.kernels.vector;

import static dev.octet.kernels.vector.Dot.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.octet.kernels.Linear;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.linear.Activations;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.Fp4Weight;
import dev.octet.tensor.Fp8Weight;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.ScaleGranularity;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer for every weight form. Output rows are split into blocks, one task each; a task
 * decodes a panel of its weight rows and {@link #columnStep} columns into floats that stay in cache
 * and multiplies it with all rows of x, four by four.
 *
 * <p>Where weight and activations are both integers under one scale a row, panels hold the integers
 * themselves and {@link #columnStep} is so short that every partial sum is exact in F32 (below
 * 2²⁴); panels are summed as integers and scaled once. With scales per group the scale is folded
 * into the decoded weight instead, one rounding of 2⁻²⁴ a product.
 *
 * <p>For a few rows of x (decoding) no panel pays: a {@link RowDot} multiplies in registers.
 */
final class VectorLinear implements Linear {
  private static final int PAIR = 2 * LANES;
  private static final int EXACT = 1 << 24;
  private static final int COLUMNS = 2048;
  private static final int ROW_BLOCK = 64;

  /** Up to so many rows of x, decoding a weight again for each costs less than a panel. */
  private static final int FUSED_ROWS = 3;

  private static final float[] NOTHING = {};

  /** Panel of decoded weights, one a thread: 64 rows of 2048 columns, or 4 for few rows of x. */
  private static final ThreadLocal<float[]> PANEL =
      ThreadLocal.withInitial(() -> new float[ROW_BLOCK * COLUMNS]);

  private final LinearWeights weights;
  private final WorkPool pool;
  private final RowDecoder decoder;
  private final @Nullable RowDot fused;
  private final boolean codes;
  private final boolean integers;
  private final int columnStep;
  private final int k;
  private final int n;

  VectorLinear(LinearWeights weights, WorkPool pool) {
    this.weights = weights;
    this.pool = pool;
    this.k = Math.toIntExact(weights.weight().columns());
    this.n = Math.toIntExact(weights.weight().rows());
    QuantizedWeight weight = weights.weight();
    this.codes =
        Activations.integer(weights.activation())
            && (weight instanceof Int8Weight || weight instanceof Int4Weight);
    this.integers = codes && oneScaleARow(weight);
    this.decoder = decoder(weight, integers);
    this.fused = fused(weight, integers);
    this.columnStep = columnStep();
  }

  private static boolean oneScaleARow(QuantizedWeight weight) {
    ScaleGrid grid =
        switch (weight) {
          case Int8Weight w -> w.grid();
          case Int4Weight w -> w.grid();
          default -> null;
        };
    return grid != null
        && grid.offsets() == null
        && (grid.granularity() == ScaleGranularity.TENSOR
            || grid.granularity() == ScaleGranularity.CHANNEL);
  }

  private static RowDecoder decoder(QuantizedWeight weight, boolean integers) {
    return switch (weight) {
      case DenseWeight w -> new DenseDecoder(w.values());
      case Int8Weight w -> new Int8Decoder(w, integers);
      case Int4Weight w -> new Int4Decoder(w, integers);
      case Fp8Weight w -> new Fp8Decoder(w);
      case Fp4Weight w -> new Fp4Decoder(w);
    };
  }

  private static @Nullable RowDot fused(QuantizedWeight weight, boolean integers) {
    return switch (weight) {
      case DenseWeight w -> new DenseDot(w.values());
      case Int8Weight w -> Int8Dot.suits(w) ? new Int8Dot(w, integers) : null;
      case Int4Weight w -> Int4Dot.suits(w) ? new Int4Dot(w, integers) : null;
      case Fp8Weight w -> Fp8Dot.suits(w) ? new Fp8Dot(w) : null;
      case Fp4Weight _ -> null;
    };
  }

  private int columnStep() {
    if (!integers) {
      return COLUMNS;
    }
    boolean offset = weights.activation().unclipped() instanceof ActivationQuant.StaticInt8;
    int largestProduct = decoder.integerBound() * (offset ? 255 : 127); // an offset widens codes
    return Math.min(COLUMNS, Math.max(PAIR, EXACT / largestProduct / PAIR * PAIR));
  }

  @Override
  public long inFeatures() {
    return weights.weight().columns();
  }

  @Override
  public long outFeatures() {
    return weights.weight().rows();
  }

  @Override
  public long byteSize() {
    return weights.byteSize();
  }

  @Override
  public RowTable table() {
    return weights.weight();
  }

  @Override
  public void apply(Tensor x, Tensor out) {
    int rows = Shapes.requireLinear(x, out, k, n);
    if (fused != null && rows <= FUSED_ROWS) {
      fewRows(fused, x, rows, out);
      return;
    }
    int stride = (k + LANES - 1) / LANES * LANES;
    float[] inputs = new float[Math.multiplyExact(rows, stride)];
    float[] scales = codes ? new float[rows] : null;
    pool.run(rows, r -> prepare(x, r, inputs, r * stride, scales));
    int block = block();
    pool.run(
        Math.ceilDiv(n, block),
        t -> {
          int first = t * block;
          Rows task = new Rows(first, Math.min(n, first + block), rows, stride, inputs, scales);
          run(task, out);
        });
  }

  /** Outputs a task computes. */
  private int block() {
    return n >= ROW_BLOCK * 4 * pool.threads() ? ROW_BLOCK : 16;
  }

  private void fewRows(RowDot dot, Tensor x, int rows, Tensor out) {
    float[] scales = codes ? new float[rows] : null;
    RowDot.Input[] inputs = new RowDot.Input[rows];
    for (int r = 0; r < rows; r++) {
      inputs[r] = dot.arrange(input(x, r, scales));
    }
    int block = block();
    pool.run(
        Math.ceilDiv(n, block),
        t -> {
          int first = t * block;
          int end = Math.min(n, first + block);
          Rows task = new Rows(first, end, rows, 0, NOTHING, scales);
          double[] sums = new double[rows * (end - first)];
          double[] row = new double[end - first];
          for (int r = 0; r < rows; r++) {
            dot.dot(first, end, inputs[r], row);
            System.arraycopy(row, 0, sums, r * row.length, row.length);
          }
          finish(task, sums, out);
        });
  }

  /** What a task computes: outputs {@code from} to {@code to} of all rows of x. */
  private record Rows(
      int from, int to, int rows, int stride, float[] inputs, float @Nullable [] scales) {}

  /** Row r of x in the order of the weight's columns, quantized if the layer says so. */
  private float[] input(Tensor x, int r, float @Nullable [] scales) {
    float[] row = new float[k];
    x.copyRange((long) r * k, row);
    Tensor permutation = weights.weight().permutation();
    if (permutation != null) {
      row = permuted(row, permutation);
    }
    if (scales != null) {
      int[] quantized = new int[k];
      scales[r] = Activations.int8(weights.activation(), row, quantized);
      for (int j = 0; j < k; j++) {
        row[j] = quantized[j];
      }
    } else {
      Activations.roundTrip(weights.activation(), row);
    }
    return row;
  }

  /** Writes row r of x in the order of the decoder. */
  private void prepare(Tensor x, int r, float[] inputs, int at, float @Nullable [] scales) {
    float[] row = input(x, r, scales);
    if (!decoder.splitsPairs()) {
      System.arraycopy(row, 0, inputs, at, k);
      return;
    }
    for (int from = 0; from < k; from += columnStep) {
      int count = Math.min(columnStep, k - from);
      for (int j = 0; j < count; j++) {
        inputs[at + from + Int4Decoder.place(j, count)] = row[from + j];
      }
    }
  }

  private static float[] permuted(float[] row, Tensor permutation) {
    float[] result = new float[row.length];
    for (int j = 0; j < row.length; j++) {
      result[j] = row[(int) permutation.getLong(j)];
    }
    return result;
  }

  private void run(Rows task, Tensor out) {
    int width = task.to - task.from;
    double[] sums = new double[task.rows * width];
    float[] panel = PANEL.get();
    int panelRows = task.rows < 4 ? 4 : width;
    float[] products = new float[16];
    for (int from = 0; from < k; from += columnStep) {
      int count = Math.min(columnStep, k - from);
      int length = (count + LANES - 1) / LANES * LANES;
      for (int first = 0; first < width; first += panelRows) {
        int decoded = Math.min(panelRows, width - first);
        decode(task.from + first, decoded, from, count, length, panel);
        multiply(task, first, decoded, from, length, panel, products, sums);
      }
    }
    finish(task, sums, out);
  }

  private void decode(int row, int rows, int from, int count, int length, float[] panel) {
    for (int i = 0; i < rows; i++) {
      decoder.decode(row + i, from, count, panel, i * length);
      Arrays.fill(panel, i * length + count, (i + 1) * length, 0);
    }
    int padded = (rows + 3) / 4 * 4;
    Arrays.fill(panel, rows * length, padded * length, 0);
  }

  private static void multiply(
      Rows task,
      int first,
      int decoded,
      int from,
      int length,
      float[] panel,
      float[] products,
      double[] sums) {
    int width = task.to - task.from;
    int stride = task.stride;
    for (int r = 0; r < task.rows; ) {
      boolean four = r + 4 <= task.rows;
      int step = four ? 4 : 1;
      int at = r * stride + from;
      for (int o = 0; o < decoded; o += 4) {
        if (four) {
          Dot.block4x4(panel, o * length, length, task.inputs, at, stride, length, products);
        } else {
          Dot.block4x1(panel, o * length, length, task.inputs, at, length, products);
        }
        int outputs = Math.min(4, decoded - o);
        for (int i = 0; i < outputs; i++) {
          for (int j = 0; j < step; j++) {
            sums[(r + j) * width + first + o + i] += products[4 * i + j];
          }
        }
      }
      r += step;
    }
  }

  private void finish(Rows task, double[] sums, Tensor out) {
    int width = task.to - task.from;
    for (int i = 0; i < width; i++) {
      int o = task.from + i;
      double weightScale = integers ? rowScale(o) : 1;
      float bias = weights.bias() == null ? 0 : weights.bias().getFloat(o);
      for (int r = 0; r < task.rows; r++) {
        double sum = sums[r * width + i];
        if (task.scales != null) {
          sum *= task.scales[r] * weightScale;
        }
        out.segment().set(JAVA_FLOAT_UNALIGNED, ((long) r * n + o) << 2, (float) (sum + bias));
      }
    }
  }

  private double rowScale(int row) {
    return switch (weights.weight()) {
      case Int8Weight w -> w.grid().scale(row, 0);
      case Int4Weight w -> w.grid().scale(row, 0);
      default -> 1;
    };
  }
}
