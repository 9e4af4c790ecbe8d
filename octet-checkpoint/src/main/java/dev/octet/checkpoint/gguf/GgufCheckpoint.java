package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF model under Hugging Face's names: blocks become canonical forms as they are asked for, the
 * embedding is read row by row from the mapped file.
 */
public final class GgufCheckpoint implements Checkpoint {
  private final GgufFile file;
  private final ModelConfig config;
  private final Map<String, LinearShape> linears = new HashMap<>();
  private final Set<String> used = new HashSet<>();

  /** Takes ownership of {@code file}; checks every tensor that the architecture needs. */
  private GgufCheckpoint(GgufFile file) {
    this.file = file;
    this.config = GgufConfig.read(file);
    ModelLayout.plain(
        config,
        plain -> {
          String name = use(plain.name());
          long[] shape = plain.shape().stream().mapToLong(Long::longValue).toArray();
          file.requireReadable(name, shape);
          if (shape.length == 1 && file.dense(name).isEmpty()) {
            throw file.problem(name, "is quantized, which norms never are");
          }
        });
    ModelLayout.linears(config, this::check);
    used.add(GgufNames.ROPE_FACTORS);
    file.tensors().keySet().forEach(this::requireUsed);
  }

  /**
   * Opens and checks a model.
   *
   * @param path the file, any part of a split one, or a directory that holds one model
   * @throws UnsupportedCheckpointException for an architecture or a tensor type that is not read
   * @throws CheckpointException if something is missing, damaged or contradictory
   */
  public static GgufCheckpoint open(Path path) {
    GgufFile file = GgufFile.open(GgufParts.of(path));
    try {
      return new GgufCheckpoint(file);
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private void check(LinearShape shape) {
    file.requireReadable(use(shape.module() + ".weight"), shape.rows(), shape.columns());
    if (shape.bias()) {
      String bias = use(shape.module() + ".bias");
      file.requireReadable(bias, shape.rows());
      if (file.dense(bias).isEmpty()) {
        throw file.problem(bias, "is quantized, which biases never are");
      }
    }
    linears.put(shape.module(), shape);
  }

  private String use(String huggingFace) {
    String name = name(huggingFace);
    used.add(name);
    return name;
  }

  private static String name(String huggingFace) {
    return GgufNames.of(huggingFace)
        .orElseThrow(() -> new CheckpointException("GGUF has no name for " + huggingFace));
  }

  /** A tensor that the forward pass would silently leave out would give wrong text. */
  private void requireUsed(String name) {
    if (!used.contains(name)) {
      throw new UnsupportedCheckpointException(
          "%s: tensor %s has no place in a %s model of %d layers"
              .formatted(
                  file.file(),
                  Texts.quote(name),
                  config.architecture().modelType(),
                  config.layers()));
    }
  }

  /** The file that everything comes from. */
  public GgufFile file() {
    return file;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String format() {
    return "gguf";
  }

  @Override
  public SortedMap<String, Tensor> tensors() {
    SortedMap<String, Tensor> tensors = new TreeMap<>();
    file.tensors().keySet().forEach(name -> tensors.put(name, file.raw(name)));
    return tensors;
  }

  @Override
  public boolean hasTensor(String name) {
    return GgufNames.of(name).map(file::has).orElse(false);
  }

  @Override
  public Tensor tensor(String name) {
    String stored = name(name);
    return file.dense(stored)
        .orElseThrow(() -> file.problem(stored, "is in blocks and is no plain tensor"));
  }

  @Override
  public RowTable embedding() {
    return file.rows(name(ModelLayout.EMBEDDING));
  }

  @Override
  public LinearWeights linear(String module) {
    if (module.equals(ModelLayout.LM_HEAD) && config.tiedEmbeddings()) {
      return new LinearWeights(
          file.weight(name(ModelLayout.EMBEDDING), RowOrder.SAME),
          null,
          new ActivationQuant.None());
    }
    LinearShape shape = linears.get(module);
    if (shape == null) {
      throw new CheckpointException(
          "there is no linear layer '" + module + "' in " + config.architecture().className());
    }
    RowOrder order = order(module);
    return new LinearWeights(
        file.weight(name(module + ".weight"), order),
        bias(shape, order),
        new ActivationQuant.None());
  }

  @Override
  public LinearWeights lmHead() {
    return linear(ModelLayout.LM_HEAD);
  }

  /** Only the llama family is stored for a rotation of neighbouring channels. */
  private RowOrder order(String module) {
    boolean llama =
        config.architecture() == Architecture.LLAMA
            || config.architecture() == Architecture.MISTRAL;
    boolean rotated = module.endsWith(".q_proj") || module.endsWith(".k_proj");
    return llama && rotated ? new RowOrder(config.headDim()) : RowOrder.SAME;
  }

  private @Nullable Tensor bias(LinearShape shape, RowOrder order) {
    return shape.bias()
        ? order.apply(tensor(shape.module() + ".bias").to(DType.F32, Arena.ofAuto()))
        : null;
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }

  @Override
  public void close() {
    file.close();
  }
}
