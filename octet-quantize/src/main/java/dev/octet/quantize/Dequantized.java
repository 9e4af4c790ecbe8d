package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** Weights as floats: what their codes stand for, rounded once to the type they are stored in. */
final class Dequantized {
  private Dequantized() {}

  /**
   * A layer without any quantization. What its input was multiplied with first goes into the
   * weight, and so does a product beside it.
   *
   * @param module its name, for messages
   * @throws CheckpointException if a weight is too large for the type
   */
  static LinearWeights layer(String module, LinearWeights layer, DType type, Arena arena) {
    boolean asItIs =
        layer.weight() instanceof DenseWeight d && d.values().dtype() == type && layer.plain();
    Tensor weight =
        asItIs
            ? ((DenseWeight) layer.weight()).values()
            : matrix(module + ".weight", new Whole(module, layer), type, arena);
    return new LinearWeights(new DenseWeight(weight), layer.bias(), new ActivationQuant.None());
  }

  /** All that a layer does to its input as the rows of one weight. */
  private record Whole(String module, LinearWeights layer, float @Nullable [] scale)
      implements RowTable {
    Whole(String module, LinearWeights layer) {
      this(module, layer, layer.inputScale() == null ? null : layer.inputScale().toFloats());
    }

    @Override
    public long rows() {
      return layer.weight().rows();
    }

    @Override
    public long columns() {
      return layer.weight().columns();
    }

    @Override
    public long byteSize() {
      return layer.byteSize();
    }

    @Override
    public String label() {
      return layer.weight().label();
    }

    @Override
    public void dequantizeRow(long row, float[] out) {
      layer.weight().dequantizeRow(row, out);
      boolean finite = isFinite(out);
      if (layer.lowRank() != null) {
        layer.lowRank().addTo(row, out);
      }
      if (layer.inputMatrix() != null) {
        layer.inputMatrix().fold(out);
      }
      for (int j = 0; scale != null && j < out.length; j++) {
        out[j] *= scale[j];
      }
      if (finite && !isFinite(out)) {
        throw new CheckpointException(
            "%s.weight: row %d is too large for f32 once what happens to the input is in it"
                .formatted(module, row));
      }
    }

    private static boolean isFinite(float[] values) {
      float zero = 0;
      for (float value : values) {
        zero *= value;
      }
      return zero == 0;
    }
  }

  /** A table's rows in a type. */
  static Tensor matrix(String name, RowTable table, DType type, Arena arena) {
    int k = Math.toIntExact(table.columns());
    Tensor out = Tensor.allocate(arena, type, table.rows(), k);
    LongStream.range(0, table.rows())
        .parallel()
        .forEach(
            r -> {
              float[] row = new float[k];
              table.dequantizeRow(r, row);
              for (int j = 0; j < k; j++) {
                out.setFloat(r * k + j, row[j]);
                if (Float.isInfinite(out.getFloat(r * k + j)) && !Float.isInfinite(row[j])) {
                  throw new CheckpointException(
                      "%s: [%d, %d] is %s, too large for %s; bf16 and f32 hold it"
                          .formatted(name, r, j, row[j], type.label()));
                }
              }
            });
    return out;
  }

  /** A vector or matrix of floats in another type. */
  static Tensor tensor(String name, Tensor values, DType type, Arena arena) {
    if (values.dtype() == type) {
      return values;
    }
    Tensor out = values.to(type, arena);
    for (long i = 0; i < out.size(); i++) {
      if (Float.isInfinite(out.getFloat(i)) && !Float.isInfinite(values.getFloat(i))) {
        throw new CheckpointException(
            "%s: element %d is %s, too large for %s; bf16 and f32 hold it"
                .formatted(name, i, values.getFloat(i), type.label()));
      }
    }
    return out;
  }
}
