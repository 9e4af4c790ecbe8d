package dev.octet.checkpoint;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.util.Arrays;

/**
 * A tensor that is to be written.
 *
 * @param name as it will be stored
 * @param dtype element type
 * @param shape its dimensions; empty for a scalar
 */
public record TensorSpec(String name, DType dtype, long... shape) {
  public TensorSpec {
    shape = shape.clone();
    if (dtype == DType.I4) {
      throw new IllegalArgumentException(name + ": safetensors has no I4; store it packed");
    }
    Tensor.byteSize(dtype, shape); // refuses negative and overflowing shapes
  }

  /** What it takes to store {@code tensor} under {@code name}. */
  public static TensorSpec of(String name, Tensor tensor) {
    return new TensorSpec(name, tensor.dtype(), tensor.shape());
  }

  @Override
  public long[] shape() {
    return shape.clone();
  }

  /** Bytes the tensor takes in the file. */
  public long byteSize() {
    return Tensor.byteSize(dtype, shape);
  }

  @Override
  public String toString() {
    return name + " " + dtype + Arrays.toString(shape);
  }
}
