package dev.octet.checkpoint;

import dev.octet.checkpoint.gguf.GgufModel;
import dev.octet.checkpoint.internal.AtomicFile;
import dev.octet.checkpoint.internal.Json;
import dev.octet.checkpoint.internal.LayerStore;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.checkpoint.internal.Trees;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a quantized model directory that vLLM and {@link Checkpoints} load, layer by layer.
 * Nothing of a layer is kept in memory once it is added.
 *
 * <p>The result grows in {@code <directory>.partial} and is moved into place by {@link #finish}: a
 * reader sees the whole model or none. An interrupted run leaves that folder; {@link
 * WriteOptions#resume} picks it up, and {@link #has} says which layers it holds. {@link #discard}
 * removes it.
 *
 * <p>What is read back equals what was added bit for bit. Scales are therefore stored in the
 * model's type (BF16 or F16) only where every scale of the tensor is exact in it, else as F32. vLLM
 * keeps the scales of INT8 and FP8 layers in F32 and loads either; those of {@code pack-quantized}
 * layers it converts to the model's type, so that F32 scales load there too but are rounded. A
 * quantizer that wants W4A16 to be the same everywhere rounds its scales to the model's type first.
 *
 * <p>How layers are stored is the {@link WriteFormat}'s business. In compressed-tensors, the
 * default, they may have different schemes ({@code mixed-precision}). For vLLM, q, k and v of a
 * layer must share theirs, as must gate and up, weights of layers with quantized activations must
 * be symmetric, and group sizes must divide the input features.
 */
public final class CompressedTensorsWriter implements AutoCloseable {
  /** The journal's name for what all layers' caches have in common. */
  private static final String CACHE = "kv_cache";

  private final LayerStore store;
  private final Path directory;
  private final WriteOptions options;
  private final Path source;
  private final ObjectNode configJson;
  private final ModelConfig config;
  private final PartialFolder partial;
  private final SchemeJournal journal;

  private CompressedTensorsWriter(
      Path directory, WriteOptions options, Path source, PartialFolder partial) throws IOException {
    this.store = options.format().store();
    this.directory = directory;
    this.options = options;
    this.source = source;
    Path configFile = source.resolve("config.json");
    this.configJson = Json.readObject(configFile);
    ModelConfig stored = ModelConfigs.read(configFile);
    this.config = options.untied() ? stored.untied() : stored;
    if (options.untied()) {
      configJson.put("tie_word_embeddings", false);
    }
    this.partial = partial;
    this.journal = new SchemeJournal(partial.folder());
  }

  /**
   * Starts or continues a directory.
   *
   * @param directory where the model is to appear
   * @param source the model directory it is made from, for config.json and the tokenizer's files
   * @throws CheckpointException if the directory is there already and {@code force} is not set, or
   *     is no model directory, or cannot be written, or another run is writing it
   */
  public static CompressedTensorsWriter open(Path directory, Path source, WriteOptions options) {
    Path target = directory.toAbsolutePath().normalize();
    requireReplaceable(directory, source, options.force());
    ModelConfigs.read(source.resolve("config.json"));
    Path folder = target.resolveSibling(target.getFileName() + ".partial");
    try {
      Files.createDirectories(target.resolveSibling(""));
      PartialFolder partial = PartialFolder.open(folder, recipe(source, options), options.resume());
      return open(target, source, options, partial);
    } catch (IOException e) {
      throw failed(folder, e);
    }
  }

  private static CompressedTensorsWriter open(
      Path target, Path source, WriteOptions options, PartialFolder partial) throws IOException {
    try {
      return new CompressedTensorsWriter(target, options, source, partial);
    } catch (IOException | RuntimeException e) {
      partial.close();
      throw e;
    }
  }

  /**
   * All that decides what the files hold: layers of a run that differs in any of it are useless.
   */
  private static String recipe(Path source, WriteOptions options) throws IOException {
    return "%s%n%s%nshards of %d bytes%n%s"
        .formatted(
            options.format().label(),
            options.recipe(),
            options.shardBytes(),
            Files.readString(source.resolve("config.json")));
  }

  /**
   * Refuses, before any work, a directory that {@link #open} would refuse: only a model is ever
   * replaced, never a folder with something else in it.
   *
   * @param source the model that the directory is to be made from
   * @param force whether a model that is there may be replaced
   * @throws CheckpointException saying what is in the way
   */
  public static void requireReplaceable(Path directory, Path source, boolean force) {
    Path target = directory.toAbsolutePath().normalize();
    try {
      if (target.getFileName() == null) {
        throw new CheckpointException(target + ": cannot be replaced");
      }
      if (!Files.exists(target)) {
        if (Files.isSymbolicLink(target)) {
          throw new CheckpointException(target + ": is a symbolic link to nothing; remove it");
        }
        return;
      }
      if (!Files.isDirectory(target)) {
        throw new CheckpointException(target + ": exists and is no directory");
      }
      if (Files.exists(source) && source.toRealPath().startsWith(target.toRealPath())) {
        throw new CheckpointException(
            target + ": is the source or holds it; choose another directory");
      }
      if (Path.of("").toRealPath().startsWith(target.toRealPath())) {
        throw new CheckpointException(
            target + ": is the current directory or holds it; choose another directory");
      }
      try (DirectoryStream<Path> files = Files.newDirectoryStream(target)) {
        if (!files.iterator().hasNext()) {
          return;
        }
      }
      if (!ModelFiles.holdsModel(target)) {
        throw new CheckpointException(
            target + ": holds something other than a model; choose another directory");
      }
      if (!force) {
        throw new CheckpointException(target + ": exists; --force replaces it");
      }
      requireNoFolders(target);
    } catch (IOException e) {
      throw failed(target, e);
    }
  }

  /** A model has files of its own; what lies in folders beside them is something else. */
  private static void requireNoFolders(Path target) throws IOException {
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(target, Files::isDirectory)) {
      Iterator<Path> first = folders.iterator();
      if (first.hasNext()) {
        throw new CheckpointException(
            "%s: holds the folder %s besides a model; move it away, or choose another directory"
                .formatted(target, first.next().getFileName()));
      }
    }
  }

  private static CheckpointException failed(Path where, IOException e) {
    return new CheckpointException(where + ": cannot be written: " + Texts.reason(e), e);
  }

  /**
   * Lets tensors that are added as {@code from} stores them be copied from file to file.
   *
   * @param from must outlive this
   */
  public void copyFrom(Checkpoint from) {
    partial.copyFrom(from::place);
  }

  /** Whether a linear layer is there already, from an interrupted run. */
  public boolean has(String module) {
    return partial.hasModule(module);
  }

  /** Whether a tensor is there already, from an interrupted run. */
  public boolean hasTensor(String name) {
    return partial.has(name);
  }

  /**
   * Refuses a layer that {@link #add} would: by its form, and by its values.
   *
   * @throws CheckpointException if the format has no form for it, naming formats that have
   */
  public void requireStorable(String module, LinearWeights layer) {
    try {
      scheme(module, layer);
      if (options.blocks()) {
        GgufModel.requireHeld(module, layer);
      }
    } catch (CheckpointException e) {
      throw HoldingFormats.named(e, module, layer, options.blocks() ? null : options.format());
    }
  }

  private Optional<ObjectNode> scheme(String module, LinearWeights layer) {
    options.format().requireSaidInputs(module, layer);
    return store.scheme(module, layer, journal.all());
  }

  /**
   * Refuses scales that {@link #addScales} would.
   *
   * @throws CheckpointException if the format has no form for them, or other layers have others
   */
  public void requireStorable(int layer, KvScales cache, @Nullable QueryScales query) {
    store.scales(layer, cache, query, config);
    cacheScheme(layer, cache, query);
  }

  /**
   * Stores a linear layer in the form it has; a dense one stays dense.
   *
   * @throws CheckpointException if the format has no form for it, or it cannot be written
   */
  public void add(String module, LinearWeights layer) {
    Optional<ObjectNode> scheme = scheme(module, layer);
    SortedMap<String, Tensor> tensors = store.tensors(module, layer, config.dtype());
    try {
      if (scheme.isPresent()) {
        journal.put(module, scheme.get());
      }
      partial.add(module, tensors);
    } catch (IOException e) {
      throw failed(partial.folder(), e);
    }
  }

  /** Stores an embedding, a norm or another tensor as it is. */
  public void addDense(String name, Tensor tensor) {
    partial.add(name, new TreeMap<>(Map.of(name, tensor)));
  }

  /**
   * Stores a layer's calibrated cache scales, and its queries' if it has some.
   *
   * @throws CheckpointException if the format has no form for them, or other layers have others
   */
  public void addScales(int layer, KvScales cache, @Nullable QueryScales query) {
    SortedMap<String, Tensor> tensors = store.scales(layer, cache, query, config);
    Optional<ObjectNode> scheme = cacheScheme(layer, cache, query);
    try {
      if (scheme.isPresent()) {
        journal.put(CACHE, scheme.get());
      }
      partial.add("scales." + layer, tensors);
    } catch (IOException e) {
      throw failed(partial.folder(), e);
    }
  }

  private Optional<ObjectNode> cacheScheme(int layer, KvScales cache, @Nullable QueryScales query) {
    Optional<ObjectNode> scheme = store.cacheScheme(layer, cache, query, config);
    Optional<ObjectNode> known = journal.scheme(CACHE);
    if (scheme.isPresent()
        && known.isPresent()
        && !known.get().toString().equals(scheme.get().toString())) {
      throw new CheckpointException(
          "layer %d: its cache scales are of another kind than other layers', the format has one for all"
              .formatted(layer));
    }
    return scheme;
  }

  /** What config.json is to name as the type of the model's floats, where not the source's. */
  public void declareType(DType type) {
    String name =
        switch (type) {
          case F32 -> "float32";
          case F16 -> "float16";
          case BF16 -> "bfloat16";
          default -> throw new IllegalArgumentException(type + " is no model's type");
        };
    configJson.put(configJson.has("dtype") ? "dtype" : "torch_dtype", name);
  }

  /**
   * Completes the directory: shards, index, tokenizer files, config.json last.
   *
   * @throws CheckpointException if a tensor of the architecture was never added, or the disk is
   *     full
   */
  public void finish() {
    requireComplete();
    try {
      SequencedMap<String, ObjectNode> schemes = schemes();
      ObjectNode settings = store.settings(schemes, FormatCheck.unquantized(config, schemes));
      journal.scheme(CACHE).ifPresent(scheme -> store.addCacheScheme(settings, scheme));
      partial.gather(options.shardBytes(), store.weights());
      copySidecars();
      if (store.settingsFile().isPresent()) {
        write(store.settingsFile().get(), store.file(settings, schemes, partial.names()));
      }
      if (store.inConfig() && (!schemes.isEmpty() || settings.hasNonNull("kv_cache_scheme"))) {
        configJson.set("quantization_config", settings);
      } else {
        configJson.remove("quantization_config");
      }
      configJson.remove(AscendFiles.IN_CONFIG);
      write("config.json", configJson);
      moveIntoPlace();
      SchemeJournal.delete(directory);
      PartialFolder.deleteNotes(directory);
    } catch (IOException e) {
      throw failed(directory, e);
    }
  }

  private void write(String name, ObjectNode json) {
    AtomicFile.write(
        partial.folder().resolve(name),
        Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(json));
  }

  private void requireComplete() {
    List<String> missing = new ArrayList<>();
    ModelLayout.plain(
        config, plain -> missing.addAll(has(plain.name(), partial.has(plain.name()))));
    ModelLayout.linears(
        config, shape -> missing.addAll(has(shape.module(), partial.hasModule(shape.module()))));
    if (!missing.isEmpty()) {
      throw new IllegalStateException(
          "%s: %d tensors were not added, first %s"
              .formatted(directory, missing.size(), missing.getFirst()));
    }
  }

  private static List<String> has(String name, boolean there) {
    return there ? List.of() : List.of(name);
  }

  private SequencedMap<String, ObjectNode> schemes() {
    SequencedMap<String, ObjectNode> schemes = new LinkedHashMap<>();
    ModelLayout.linears(
        config,
        shape -> journal.scheme(shape.module()).ifPresent(s -> schemes.put(shape.module(), s)));
    return schemes;
  }

  /** Tokenizer, generation settings and the like come along unchanged. */
  private void copySidecars() throws IOException {
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(source, "*.{json,txt,model,jinja}")) {
      for (Path file : files) {
        String name = String.valueOf(file.getFileName());
        boolean ours =
            name.equals("config.json")
                || name.endsWith(".index.json")
                || FormatReaders.SETTINGS.contains(name)
                || name.startsWith(AscendFiles.DESCRIPTION);
        if (!ours && Files.isRegularFile(file) && Files.size(file) <= Json.MAX_FILE) {
          Files.copy(file, partial.folder().resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
  }

  private void moveIntoPlace() throws IOException {
    if (!Files.exists(directory)) {
      Files.move(partial.folder(), directory, StandardCopyOption.ATOMIC_MOVE);
      return;
    }
    Path old = directory.resolveSibling("." + directory.getFileName() + "." + UUID.randomUUID());
    Files.move(directory, old, StandardCopyOption.ATOMIC_MOVE);
    try {
      Files.move(partial.folder(), directory, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      Files.move(old, directory, StandardCopyOption.ATOMIC_MOVE);
      throw e;
    }
    Trees.delete(old);
  }

  /** Removes what was written so far, for instance after an error. */
  public void discard() {
    try {
      if (Files.exists(partial.folder())) {
        Trees.delete(partial.folder());
      }
    } catch (IOException e) {
      throw failed(partial.folder(), e);
    }
  }

  /** Ends here; what is unfinished stays for a later run to resume. */
  @Override
  public void close() {
    partial.close();
  }
}
