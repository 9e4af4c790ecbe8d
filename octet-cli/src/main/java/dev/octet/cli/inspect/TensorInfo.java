package dev.octet.cli.inspect;

import dev.octet.checkpoint.gguf.GgufTensor;
import dev.octet.tensor.Tensor;
import java.util.Arrays;

/**
 * A stored tensor.
 *
 * @param name as stored
 * @param type element type as the format spells it
 * @param shape dimensions, slowest first
 * @param elements how many
 * @param bytes how large
 */
public record TensorInfo(String name, String type, String shape, long elements, long bytes) {
  static TensorInfo of(String name, Tensor tensor) {
    return new TensorInfo(
        name,
        tensor.dtype().name(),
        Arrays.toString(tensor.shape()),
        tensor.size(),
        tensor.byteSize());
  }

  static TensorInfo of(GgufTensor tensor) {
    long elements = Arrays.stream(tensor.shape()).reduce(1, (a, b) -> a * b);
    return new TensorInfo(
        tensor.name(),
        tensor.type().name(),
        Arrays.toString(tensor.shape()),
        elements,
        tensor.byteSize());
  }
}
