package dev.octet.checkpoint.internal;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.TensorPlace;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** All tensors of a model directory under one roof, each knowing the file it comes from. */
public final class StoredTensors implements AutoCloseable {
  private final List<SafetensorsFile> files;
  private final SortedMap<String, Tensor> tensors = new TreeMap<>();
  private final Map<String, SafetensorsFile> origin = new HashMap<>();

  /** Takes ownership of {@code files}; no tensor may be in two of them. */
  public StoredTensors(Collection<SafetensorsFile> files) {
    this.files = List.copyOf(files);
    for (SafetensorsFile file : files) {
      file.tensors()
          .forEach(
              (name, tensor) -> {
                SafetensorsFile other = origin.put(name, file);
                if (other != null) {
                  throw new CheckpointException(
                      "%s: tensor %s is in %s too"
                          .formatted(file.file(), Texts.quote(name), other.file()));
                }
                tensors.put(name, tensor);
              });
    }
  }

  /** All tensors by name. */
  public SortedMap<String, Tensor> all() {
    return Collections.unmodifiableSortedMap(tensors);
  }

  public boolean has(String name) {
    return tensors.containsKey(name);
  }

  /** The tensor of that name, or null. */
  public @Nullable Tensor find(String name) {
    return tensors.get(name);
  }

  /** The tensor of that name, or an error that says it is missing. */
  public Tensor get(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(
          "%s: tensor %s is missing".formatted(place(), Texts.quote(name)));
    }
    return tensor;
  }

  /** The tensor of that name if it has that shape and one of the types; an error otherwise. */
  public Tensor require(String name, Set<DType> types, long... shape) {
    Tensor tensor = get(name);
    if (!types.contains(tensor.dtype())) {
      throw problem(name, "is %s, expected %s".formatted(tensor, alternatives(types)));
    }
    if (!tensor.hasShape(shape)) {
      throw problem(name, "is %s, expected shape %s".formatted(tensor, Arrays.toString(shape)));
    }
    return tensor;
  }

  private static String alternatives(Set<DType> types) {
    return String.join(" or ", types.stream().map(DType::name).sorted().toList());
  }

  /** A vector of that length as F32 in garbage-collected memory, or null if there is none. */
  public @Nullable Tensor vector(String name, Set<DType> types, long length) {
    return has(name) ? require(name, types, length).to(DType.F32, Arena.ofAuto()) : null;
  }

  /** Where the bytes of {@code tensor} lie; empty if it is no view of a stored one. */
  public Optional<TensorPlace> place(Tensor tensor) {
    return files.stream().flatMap(file -> file.place(tensor).stream()).findFirst();
  }

  /** What the first file that says something says of itself under that name, or null. */
  public @Nullable String metadata(String name) {
    for (SafetensorsFile file : files) {
      String value = file.metadata().get(name);
      if (value != null) {
        return value;
      }
    }
    return null;
  }

  /** An error about a stored tensor. */
  public CheckpointException problem(String name, String what) {
    return new CheckpointException(text(name, what));
  }

  /** An error about a stored tensor that asks for something this build does not do. */
  public UnsupportedCheckpointException unsupported(String name, String what) {
    return new UnsupportedCheckpointException(text(name, what));
  }

  private String text(String name, String what) {
    SafetensorsFile file = origin.get(name);
    Object where = file == null ? place() : file.file();
    return "%s: tensor %s %s".formatted(where, Texts.quote(name), what);
  }

  private Object place() {
    return files.size() == 1
        ? files.getFirst().file()
        : files.getFirst().file().toAbsolutePath().resolveSibling("");
  }

  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
