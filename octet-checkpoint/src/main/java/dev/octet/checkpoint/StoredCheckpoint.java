package dev.octet.checkpoint;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A model directory: config, tensors, and the format of its linear layers. */
final class StoredCheckpoint implements Checkpoint {
  private static final Pattern LAYER = Pattern.compile("model\\.layers\\.(\\d{1,18})\\.");

  private final ModelConfig config;
  private final StoredTensors tensors;
  private final LinearFormat format;
  private final Map<String, LinearShape> linears = new HashMap<>();

  /** Takes ownership of {@code tensors}; checks every tensor that the architecture needs. */
  StoredCheckpoint(ModelConfig config, StoredTensors tensors, LinearFormat format) {
    this.config = config;
    this.tensors = tensors;
    this.format = format;
    ModelLayout.plain(
        config,
        plain -> {
          long[] shape = plain.shape().stream().mapToLong(Long::longValue).toArray();
          tensors.require(format.storedName(plain.name()), DenseFormat.FLOATS, shape);
          checkNormBias(plain.name(), shape);
        });
    ModelLayout.linears(
        config,
        shape -> {
          format.check(shape);
          linears.put(shape.module(), shape);
        });
    tensors.all().keySet().forEach(this::requireUsed);
  }

  /** Some quantizers move activation offsets into a bias that the architecture does not have. */
  private void checkNormBias(String weight, long[] shape) {
    if (weight.endsWith("norm.weight")) {
      String bias = format.storedName(weight.substring(0, weight.length() - 6) + "bias");
      if (tensors.has(bias)) {
        tensors.require(bias, DenseFormat.FLOATS, shape);
      }
    }
  }

  /** Weights that the forward pass would silently leave out mean that config.json is wrong. */
  private void requireUsed(String name) {
    Matcher layer = LAYER.matcher(name);
    if (!layer.lookingAt()) {
      return;
    }
    if (Long.parseLong(layer.group(1)) >= config.layers()) {
      throw tensors.problem(
          name, "is beyond the last layer: num_hidden_layers is " + config.layers());
    }
    if (!config.qkNorm() && name.matches(".*\\.self_attn\\.[qk]_norm\\.weight")) {
      throw tensors.problem(
          name, "is stored, but %s models have none".formatted(config.architecture().modelType()));
    }
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String format() {
    return format.name();
  }

  @Override
  public SortedMap<String, Tensor> tensors() {
    return tensors.all();
  }

  @Override
  public boolean hasTensor(String name) {
    return tensors.has(format.storedName(name));
  }

  @Override
  public Tensor tensor(String name) {
    return tensors.get(format.storedName(name));
  }

  @Override
  public LinearWeights linear(String module) {
    if (module.equals(ModelLayout.LM_HEAD) && config.tiedEmbeddings()) {
      return new LinearWeights(
          new DenseWeight(tensors.get(ModelLayout.EMBEDDING)), null, new ActivationQuant.None());
    }
    LinearShape shape = linears.get(module);
    if (shape == null) {
      throw new CheckpointException(
          "there is no linear layer '" + module + "' in " + config.architecture().className());
    }
    return format.read(shape);
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return format.kvScales(layer);
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return format.queryScales(layer);
  }

  @Override
  public Optional<TensorPlace> place(Tensor tensor) {
    return tensors.place(tensor);
  }

  @Override
  public List<String> scaleProblems() {
    return format.scaleProblems();
  }

  @Override
  public List<String> notices() {
    return format.notices();
  }

  @Override
  public void close() {
    tensors.close();
  }
}
