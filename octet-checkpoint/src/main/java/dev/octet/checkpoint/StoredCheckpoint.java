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
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;

/** A model directory: config, tensors, and the format of its linear layers. */
final class StoredCheckpoint implements Checkpoint {
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
          tensors.require(plain.name(), DenseFormat.FLOATS, shape);
        });
    ModelLayout.linears(
        config,
        shape -> {
          format.check(shape);
          linears.put(shape.module(), shape);
        });
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
    return tensors.has(name);
  }

  @Override
  public Tensor tensor(String name) {
    return tensors.get(name);
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
  public void close() {
    tensors.close();
  }
}
