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
   * weight's columns.
   *
   * @param module its name, for messages
   * @throws CheckpointException if a weight is too large for the type
   */
  static LinearWeights layer(String module, LinearWeights layer, DType type, Arena arena) {
    boolean asItIs =
        layer.weight() instanceof DenseWeight d
            && d.values().dtype() == type
            && layer.inputScale() == null;
    Tensor weight =
        asItIs
            ? ((DenseWeight) layer.weight()).values()
            : matrix(module + ".weight", layer.weight(), layer.inputScale(), type, arena);
    return new LinearWeights(new DenseWeight(weight), layer.bias(), new ActivationQuant.None());
  }

  /** A table's rows in a type. */
  static Tensor matrix(
      String name, RowTable table, @Nullable Tensor columns, DType type, Arena arena) {
    int k = Math.toIntExact(table.columns());
    float[] factors = columns == null ? null : columns.toFloats();
    Tensor out = Tensor.allocate(arena, type, table.rows(), k);
    LongStream.range(0, table.rows())
        .parallel()
        .forEach(
            r -> {
              float[] row = new float[k];
              table.dequantizeRow(r, row);
              for (int j = 0; j < k; j++) {
                float value = factors == null ? row[j] : row[j] * factors[j];
                out.setFloat(r * k + j, value);
                if (Float.isInfinite(out.getFloat(r * k + j)) && !Float.isInfinite(row[j])) {
                  throw new CheckpointException(
                      "%s: [%d, %d] is %s, too large for %s; bf16 and f32 hold it"
                          .formatted(name, r, j, value, type.label()));
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
