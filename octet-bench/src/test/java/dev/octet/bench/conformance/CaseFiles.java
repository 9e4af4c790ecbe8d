package dev.octet.bench.conformance;

import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;

/** Makes cases in a temporary directory, sound or spoilt on purpose. */
final class CaseFiles {
  private final Path root;

  CaseFiles(Path root) {
    this.root = root;
  }

  /** Writes {@code case.json} of the case {@code id} and returns the case's directory. */
  Path describe(String id, String json) {
    write(id + "/case.json", json);
    return root.resolve(id);
  }

  Path write(String name, String text) {
    try {
      Path file = root.resolve(name);
      Files.createDirectories(file.resolveSibling(""));
      return Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  void tensors(String name, Map<String, Tensor> tensors) {
    try {
      Path file = root.resolve(name);
      Files.createDirectories(file.resolveSibling(""));
      Files.deleteIfExists(file);
      SafetensorsWriter.write(file, new TreeMap<>(tensors));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Rewrites a file of tensors after {@code change} has had copies of them. */
  void change(String name, Consumer<SortedMap<String, Tensor>> change) {
    SortedMap<String, Tensor> copies = new TreeMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(root.resolve(name))) {
      file.tensors().forEach((key, t) -> copies.put(key, t.to(t.dtype(), Arena.ofAuto())));
    }
    change.accept(copies);
    tensors(name, copies);
  }

  /** Adds to one element. */
  static void add(Map<String, Tensor> tensors, String name, int index, float amount) {
    Tensor tensor = Objects.requireNonNull(tensors.get(name), name);
    tensor.setFloat(index, tensor.getFloat(index) + amount);
  }

  static Tensor ints(DType dtype, int... values) {
    Tensor tensor = Tensor.allocate(Arena.ofAuto(), dtype, values.length);
    for (int i = 0; i < values.length; i++) {
      tensor.setFloat(i, values[i]);
    }
    return tensor;
  }

  static Tensor as(DType dtype, Tensor tensor) {
    return tensor.to(dtype, Arena.ofAuto());
  }
}
