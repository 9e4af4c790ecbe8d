package dev.octet.checkpoint.ascend;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.internal.DenseFormat;
import dev.octet.checkpoint.internal.LinearFormat;
import dev.octet.checkpoint.internal.StoredTensors;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.LinearWeights;
import java.util.List;
import java.util.Optional;

/**
 * Reads what msModelSlim writes, in both generations of files. Every stored tensor must be
 * described, and every module is read as the tag of its weight says.
 */
public final class AscendFormat implements LinearFormat {
  /** Stored without being described, by every release so far. */
  private static final List<String> ROTATIONS =
      List.of(".heads_rotation", ".kronecker_rotation_m", ".kronecker_rotation_n");

  private final Description description;
  private final int group;
  private final StoredTensors tensors;
  private final DenseFormat dense;
  private final AttentionScales scales;

  /**
   * Checks that description and tensors go together.
   *
   * @param configuredGroup the group size that config.json names, 0 if none; the description's own
   *     goes first
   */
  public AscendFormat(
      Description description, int configuredGroup, ModelConfig config, StoredTensors tensors) {
    this.description = description;
    this.group = description.groupSize() > 0 ? description.groupSize() : configuredGroup;
    this.tensors = tensors;
    this.dense = new DenseFormat(tensors);
    this.scales = new AttentionScales(description, config, tensors);
    tensors.all().keySet().forEach(this::requireDescribed);
    scales.check();
  }

  private void requireDescribed(String tensor) {
    if (ROTATIONS.stream().anyMatch(tensor::endsWith)) {
      throw tensors.unsupported(
          tensor, "belongs to a rotation at run time, which is not supported");
    }
    if (!description.describes(tensor)) {
      throw tensors.problem(
          tensor, "is stored, but " + description.fileName() + " does not describe it");
    }
    description.tag(tensor);
  }

  @Override
  public String name() {
    return "ascend";
  }

  @Override
  public void check(LinearShape shape) {
    Optional<Layer> layer = layer(shape);
    if (layer.isPresent()) {
      layer.get().check();
    } else {
      dense.check(shape);
    }
  }

  @Override
  public LinearWeights read(LinearShape shape) {
    Optional<Layer> layer = layer(shape);
    return layer.isPresent() ? layer.get().read() : dense.read(shape);
  }

  /** The layer in its tag's form; empty if that is dense. */
  private Optional<Layer> layer(LinearShape shape) {
    String weight = shape.module() + ".weight";
    tensors.get(weight); // says that it is missing
    Tag tag = description.tag(weight);
    return switch (tag.form()) {
      case DENSE -> Optional.empty();
      case STATIC_INT8 -> Optional.of(new StaticLayer(tensors, shape));
      case DYNAMIC_INT8 ->
          Optional.of(Int8Layer.of(tensors, shape, group, new ActivationQuant.DynamicInt8()));
      case WEIGHT_INT8 ->
          Optional.of(Int8Layer.of(tensors, shape, group, new ActivationQuant.None()));
      case MIXED_INT8 -> Optional.of(new MixedLayer(tensors, shape, group));
      case WEIGHT_INT4 -> Optional.of(int4(shape, new ActivationQuant.None()));
      case DYNAMIC_INT4 -> Optional.of(int4(shape, new ActivationQuant.DynamicInt8()));
      case DYNAMIC_FP8 -> Optional.of(Fp8Layer.of(tensors, shape));
      case SCALE ->
          throw description.problem(weight, "is tagged " + tag.label() + ", which is for scales");
      case UNREAD ->
          throw description.unsupported(
              weight, "is tagged " + Texts.quote(tag.label()) + ", which is not supported yet");
    };
  }

  private Layer int4(LinearShape shape, ActivationQuant activation) {
    return Int4Layer.of(tensors, shape, description, group, activation);
  }

  @Override
  public Optional<KvScales> kvScales(int layer) {
    return scales.cache(layer);
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return scales.query(layer);
  }

  /**
   * Where outliers were moved into a norm's bias, some tools keep the original norm under its own
   * name and the new one under {@code .module}; others write the new one under both.
   */
  @Override
  public String storedName(String name) {
    int dot = name.lastIndexOf('.');
    String norm = name.substring(0, Math.max(0, dot));
    if (!norm.endsWith("norm")) {
      return name;
    }
    boolean moved = tensors.has(norm + ".module.bias") && !tensors.has(norm + ".bias");
    boolean only = tensors.has(norm + ".module.weight") && !tensors.has(norm + ".weight");
    return moved || only ? norm + ".module" + name.substring(dot) : name;
  }
}
