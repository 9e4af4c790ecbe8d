package dev.octet.bench.conformance;

import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;

/**
 * {@code expected.safetensors} of a case: absent or misshapen tensors are a {@link CaseException}.
 */
final class ExpectedFile implements AutoCloseable {
  private final Path path;
  private final SafetensorsFile file;

  private ExpectedFile(Path path, SafetensorsFile file) {
    this.path = path;
    this.file = file;
  }

  static ExpectedFile open(Path path) {
    return new ExpectedFile(path, SafetensorsFile.open(path));
  }

  SortedMap<String, Tensor> tensors() {
    return file.tensors();
  }

  boolean has(String name) {
    return file.tensors().containsKey(name);
  }

  /** The tensor of that name, which must have the given shape (−1: any size). */
  Tensor get(String name, long... shape) {
    Tensor tensor = find(name);
    if (tensor == null) {
      throw new CaseException(path.getFileName() + ": tensor '" + name + "' is missing");
    }
    boolean fits = tensor.rank() == shape.length;
    for (int i = 0; fits && i < shape.length; i++) {
      fits = shape[i] < 0 || shape[i] == tensor.dim(i);
    }
    if (!fits) {
      throw new CaseException(
          path.getFileName() + ": '" + name + "' is " + tensor + ", not " + Arrays.toString(shape));
    }
    return tensor;
  }

  /** Like {@link #get} for integers that fit 32 bits. */
  int[] getInts(String name, long... shape) {
    Tensor tensor = get(name, shape);
    switch (tensor.dtype()) {
      case I8, U8, I16, U16, I32, U32, I64 -> {}
      default ->
          throw new CaseException(path.getFileName() + ": '" + name + "' is no integer tensor");
    }
    int[] out = new int[Math.toIntExact(tensor.size())];
    for (int i = 0; i < out.length; i++) {
      long value = tensor.getLong(i);
      if (value != (int) value) {
        throw new CaseException(path.getFileName() + ": '" + name + "' holds " + value);
      }
      out[i] = (int) value;
    }
    return out;
  }

  /** Like {@link #get} for numbers. */
  float[] getFloats(String name, long... shape) {
    Tensor tensor = get(name, shape);
    if (!tensor.dtype().decodable()) {
      throw new CaseException(
          path.getFileName() + ": '" + name + "' is " + tensor.dtype() + ", which is not decoded");
    }
    return tensor.toFloats();
  }

  /** The tensor of that name and type, if there is one. */
  @Nullable Tensor find(String name, DType dtype) {
    Tensor tensor = find(name);
    return tensor != null && tensor.dtype() == dtype ? tensor : null;
  }

  private @Nullable Tensor find(String name) {
    return file.tensors().get(name);
  }

  @Override
  public void close() {
    file.close();
  }
}
