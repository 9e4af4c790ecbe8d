package dev.octet.quantize;

import dev.octet.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * How a checkpoint is converted.
 *
 * @param weightsOnly whether what is said of activations and caches is left out
 * @param dtype what a dense checkpoint's weights are stored in: F32, F16 or BF16; null: the model's
 *     own type
 * @param force whether a model that is there may be replaced
 * @param resume whether to continue an interrupted run of the same settings
 */
public record ConvertOptions(
    boolean weightsOnly, @Nullable DType dtype, boolean force, boolean resume) {
  public ConvertOptions {
    if (dtype != null && (!dtype.isWideFloat() || dtype == DType.F64)) {
      throw new IllegalArgumentException(dtype + " is none of f32, f16 and bf16");
    }
  }
}
