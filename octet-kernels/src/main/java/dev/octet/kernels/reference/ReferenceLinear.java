package dev.octet.kernels.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.octet.kernels.Linear;
import dev.octet.kernels.Products;
import dev.octet.kernels.WorkPool;
import dev.octet.kernels.linear.Activations;
import dev.octet.kernels.linear.FixedPoint;
import dev.octet.kernels.linear.Shapes;
import dev.octet.tensor.ActivationQuant.None;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;

/**
 * A linear layer as its definition says: integer codes times integer codes summed exactly and
 * scaled and offset once per block of columns that share a scale; everything else in double on
 * dequantized weights.
 */
final class ReferenceLinear implements Linear {
  private final LinearWeights weights;
  private final Products products;
  private final WorkPool pool;

  ReferenceLinear(LinearWeights weights, Products products, WorkPool pool) {
    this.weights = weights;
    this.products = products;
    this.pool = pool;
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
    int rows = Shapes.requireLinear(x, out, inFeatures(), outFeatures());
    QuantizedWeight weight = weights.weight();
    boolean integerWeight = weight instanceof Int8Weight || weight instanceof Int4Weight;
    if (integerWeight && Activations.integer(weights.activation())) {
      integers(x, out, rows);
    } else {
      boolean fixed =
          integerWeight
              && products == Products.INT16
              && FixedPoint.serves(rows)
              && weights.activation() instanceof None;
      floats(x, out, rows, fixed);
    }
  }

  private void floats(Tensor x, Tensor out, int rows, boolean fixed) {
    float[][] inputs = new float[rows][];
    pool.run(
        rows,
        r -> {
          inputs[r] = fixed ? fixedPoint(x, r) : x.row(r).toFloats();
          Activations.roundTrip(weights.activation(), inputs[r]);
        });
    pool.run(
        Math.toIntExact(outFeatures()),
        o -> {
          float[] w = new float[Math.toIntExact(inFeatures())];
          weights.weight().dequantizeRow(o, w);
          for (int r = 0; r < rows; r++) {
            double sum = 0;
            for (int j = 0; j < w.length; j++) {
              sum += (double) inputs[r][j] * w[j];
            }
            store(out, r, o, sum);
          }
        });
  }

  private void integers(Tensor x, Tensor out, int rows) {
    int k = Math.toIntExact(inFeatures());
    int[][] codes = new int[rows][k];
    float[] scales = new float[rows];
    pool.run(rows, r -> scales[r] = Activations.int8(weights.activation(), input(x, r), codes[r]));
    pool.run(
        Math.toIntExact(outFeatures()),
        o -> {
          int[] w = codes(o, k);
          for (int r = 0; r < rows; r++) {
            store(out, r, o, scales[r] * scaledSum(o, w, codes[r]));
          }
        });
  }

  /** What the fixed-point form of a row stands for, in the order of the model. */
  private float[] fixedPoint(Tensor x, int row) {
    float[] stored = input(x, row);
    FixedPoint.round(stored, grid().columnBlock());
    Tensor permutation = weights.weight().permutation();
    if (permutation == null) {
      return stored;
    }
    float[] values = new float[stored.length];
    for (int j = 0; j < stored.length; j++) {
      values[(int) permutation.getLong(j)] = stored[j];
    }
    return values;
  }

  /** The row in the order in which the weight stores its columns. */
  private float[] input(Tensor x, int row) {
    float[] values = x.row(row).toFloats();
    Tensor permutation = weights.weight().permutation();
    if (permutation != null) {
      float[] permuted = new float[values.length];
      for (int j = 0; j < values.length; j++) {
        permuted[j] = values[(int) permutation.getLong(j)];
      }
      return permuted;
    }
    return values;
  }

  /** Codes minus zero points of an output's weights, in stored order. */
  private int[] codes(int row, int k) {
    int[] codes = new int[k];
    ScaleGrid grid = grid();
    for (int j = 0; j < k; j++) {
      int code =
          switch (weights.weight()) {
            case Int8Weight w -> (int) w.codes().getLong((long) row * k + j);
            case Int4Weight w -> w.code(row, j);
            default -> throw new IllegalStateException("no integer weight");
          };
      codes[j] = code - grid.zeroPoint(row, j);
    }
    return codes;
  }

  private ScaleGrid grid() {
    return switch (weights.weight()) {
      case Int8Weight w -> w.grid();
      case Int4Weight w -> w.grid();
      default -> throw new IllegalStateException("no integer weight");
    };
  }

  private double scaledSum(int row, int[] w, int[] codes) {
    ScaleGrid grid = grid();
    double total = 0;
    for (int from = 0; from < w.length; ) {
      int to = (int) Math.min(w.length, from + grid.columnBlock());
      long sum = 0;
      long inputs = 0;
      for (int j = from; j < to; j++) {
        sum += (long) codes[j] * w[j];
        inputs += codes[j];
      }
      total += sum * (double) grid.scale(row, from) + inputs * (double) grid.offset(row, from);
      from = to;
    }
    return total;
  }

  private void store(Tensor out, int row, int column, double sum) {
    Tensor bias = weights.bias();
    double value = bias == null ? sum : sum + bias.getFloat(column);
    out.segment().setAtIndex(JAVA_FLOAT, row * outFeatures() + column, (float) value);
  }
}
