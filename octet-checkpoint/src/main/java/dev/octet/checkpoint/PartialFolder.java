package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.AtomicFile;
import dev.octet.checkpoint.internal.Trees;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * The folder beside the result in which it grows: one small safetensors file for every finished
 * layer, each of which appears whole or not at all. At the end they are gathered into shards, and
 * the layers of a finished shard are deleted, so that the disk holds the result and one shard more.
 * An interruption at any point loses the layer in progress only. One run at a time works in it.
 */
final class PartialFolder implements AutoCloseable {
  private static final String RECIPE = "recipe.txt";
  private static final String PARTS = "parts";

  /** From this many bytes on a tensor is copied piece by piece. */
  private static final long LARGE = 1L << 20;

  private final Path folder;
  private final Path parts;
  private final FolderLock lock;

  /** Everything finished so far: specs by tensor name, and the file each is in. */
  private final SortedMap<String, TensorSpec> specs = new TreeMap<>();

  private final Map<String, Path> places = new TreeMap<>();

  private Function<Tensor, Optional<TensorPlace>> source = _ -> Optional.empty();

  private PartialFolder(Path folder, FolderLock lock) {
    this.folder = folder;
    this.parts = folder.resolve(PARTS);
    this.lock = lock;
  }

  /** Opens the folder, with what an earlier run of the same recipe finished if {@code resume}. */
  static PartialFolder open(Path folder, String recipe, boolean resume) throws IOException {
    Path recipeFile = folder.resolve(RECIPE);
    if (Files.exists(folder) && !Files.exists(recipeFile) && !FolderLock.isIn(folder)) {
      throw new CheckpointException(folder + ": exists and is no unfinished run; move it away");
    }
    FolderLock lock = FolderLock.take(folder);
    try {
      PartialFolder partial = new PartialFolder(folder, lock);
      boolean begun = Files.exists(recipeFile); // a run may end before it has written a thing
      if (resume && begun) {
        if (!Files.readString(recipeFile).equals(recipe)) {
          throw new CheckpointException(
              folder + ": was begun with other settings; run without resume to start over");
        }
        partial.scan(folder);
      } else {
        partial.clear();
      }
      Files.createDirectories(partial.parts);
      partial.scan(partial.parts);
      AtomicFile.write(recipeFile, recipe.getBytes(StandardCharsets.UTF_8));
      return partial;
    } catch (IOException | RuntimeException e) {
      lock.close();
      throw e;
    }
  }

  /** Deletes all but the lock. */
  private void clear() throws IOException {
    try (DirectoryStream<Path> entries =
        Files.newDirectoryStream(folder, entry -> !FolderLock.isFile(entry))) {
      for (Path entry : entries) {
        Trees.delete(entry);
      }
    }
  }

  private void scan(Path where) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(where)) {
      for (Path file : files) {
        String name = String.valueOf(file.getFileName());
        if (name.endsWith(".tmp")) {
          Files.delete(file);
        } else if (name.endsWith(".safetensors")) {
          try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            stored.tensors().forEach((key, tensor) -> note(key, tensor, file));
          }
        }
      }
    }
  }

  private void note(String name, Tensor tensor, Path file) {
    specs.put(name, TensorSpec.of(name, tensor));
    places.putIfAbsent(name, file); // the folder's shards are scanned before the parts
  }

  Path folder() {
    return folder;
  }

  /** Says where tensors lie that are added as they are in another file. */
  void copyFrom(Function<Tensor, Optional<TensorPlace>> places) {
    source = places;
  }

  /** All tensors so far. */
  Set<String> names() {
    return Collections.unmodifiableSet(specs.keySet());
  }

  boolean has(String tensor) {
    return specs.containsKey(tensor);
  }

  /** Whether a tensor of that module, whatever its form, is there. */
  boolean hasModule(String module) {
    SortedMap<String, TensorSpec> from = specs.tailMap(module + ".");
    return !from.isEmpty() && from.firstKey().startsWith(module + ".");
  }

  /** Stores the tensors of one layer, all or none. */
  void add(String key, SortedMap<String, Tensor> tensors) {
    Path file = parts.resolve(URLEncoder.encode(key, StandardCharsets.UTF_8) + ".safetensors");
    List<TensorSpec> layer = new ArrayList<>();
    tensors.forEach((name, tensor) -> layer.add(TensorSpec.of(name, tensor)));
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(file, layer, SafetensorsWriter.METADATA)) {
      tensors.forEach((name, tensor) -> store(writer, name, tensor, source.apply(tensor)));
      writer.finish();
    }
    tensors.forEach((name, tensor) -> note(name, tensor, file));
  }

  /** Gathers the layers into shards. */
  void gather(long shardBytes, String name) throws IOException {
    ShardPlan plan = ShardPlan.of(List.copyOf(specs.values()), shardBytes, name);
    for (Map.Entry<String, List<TensorSpec>> shard : plan.files().entrySet()) {
      Path target = folder.resolve(shard.getKey());
      if (!Files.exists(target)) {
        write(target, shard.getValue());
      }
      for (TensorSpec spec : shard.getValue()) {
        places.put(spec.name(), target);
      }
      deleteUnused();
    }
    plan.writeIndex(folder);
    Trees.delete(parts);
  }

  /** Deletes the folder's own notes once it has become the result. */
  static void deleteNotes(Path result) throws IOException {
    Files.deleteIfExists(result.resolve(RECIPE));
    FolderLock.delete(result);
  }

  /** Lets the next run in. */
  @Override
  public void close() {
    lock.close();
  }

  private void write(Path target, List<TensorSpec> shard) {
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(target, shard, SafetensorsWriter.METADATA)) {
      for (TensorSpec spec : shard) {
        Path place = places.get(spec.name());
        if (place == null) {
          throw new IllegalStateException(spec.name() + " is nowhere");
        }
        try (SafetensorsFile part = SafetensorsFile.open(place)) {
          Tensor tensor = part.tensor(spec.name());
          store(writer, spec.name(), tensor, part.place(tensor));
        }
      }
      writer.finish();
    }
  }

  /** Copies what is large from file to file, so that it takes no memory on the way. */
  private static void store(
      SafetensorsWriter writer, String name, Tensor tensor, Optional<TensorPlace> place) {
    if (place.isPresent() && tensor.isContiguous() && tensor.byteSize() >= LARGE) {
      writer.copy(TensorSpec.of(name, tensor), place.get());
    } else {
      writer.write(name, tensor);
    }
  }

  /** Deletes the parts whose tensors have all moved into shards. */
  private void deleteUnused() throws IOException {
    Set<Path> used = new HashSet<>(places.values());
    List<Path> unused = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(parts, "*.safetensors")) {
      files.forEach(
          file -> {
            if (!used.contains(file)) {
              unused.add(file);
            }
          });
    }
    for (Path file : unused) {
      Files.delete(file);
    }
  }
}
