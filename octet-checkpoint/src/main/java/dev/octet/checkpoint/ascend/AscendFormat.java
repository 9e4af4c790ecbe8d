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
import dev.octet.tensor.ActivationQuant.MxGroup;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Reads what msModelSlim writes, in both generations of files. Every stored tensor must be
 * described, and every module is read as the tag of its weight says.
 */
public final class AscendFormat implements LinearFormat {
  /** What only has a meaning beside a layer. */
  private static final List<String> BESIDE =
      List.of(
          OnlineInput.LEFT,
          OnlineInput.RIGHT,
          OnlineInput.CLIP,
          OnlineInput.HEADS,
          OnlineInput.ROTATION_LEFT,
          OnlineInput.ROTATION_RIGHT,
          LowRankBranch.DOWN,
          LowRankBranch.UP);

  /** Columns under one of the coarse scales that a tag with two levels of scales has. */
  private static final int COARSE = 512;

  private final Description description;
  private final int group;
  private final StoredTensors tensors;
  private final DenseFormat dense;
  private final AttentionScales scales;
  private final ModelConfig config;

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
    this.config = config;
    tensors.all().keySet().forEach(this::requireDescribed);
    scales.check();
  }

  private void requireDescribed(String tensor) {
    if (BESIDE.stream().anyMatch(tensor::endsWith)
        && !tensors.has(tensor.substring(0, tensor.lastIndexOf('.')) + ".weight")) {
      throw tensors.problem(tensor, "belongs to a layer, but beside it no weight is stored");
    }
    if (OnlineInput.ROTATIONS.stream().anyMatch(tensor::endsWith)
        && !description.describes(tensor)) {
      return;
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
  public void check(LinearShape module) {
    LinearShape shape = stored(module);
    Optional<Layer> layer = layer(shape);
    if (layer.isPresent()) {
      layer.get().check();
    } else {
      dense.check(shape);
    }
    requireWhatIsTagged(shape);
    input(shape).check();
    lowRank(shape).check();
    smoothing(module);
  }

  /** Tags say what goes with a layer; the tensors are it. */
  private void requireWhatIsTagged(LinearShape shape) {
    String weight = shape.module() + ".weight";
    String label = description.text(weight).orElse("");
    boolean learnt = input(shape).learnt();
    boolean product = lowRank(shape).stored();
    if (Tag.isLearnt(label) && !learnt || Tag.isLowRank(label) && !product) {
      throw description.problem(
          weight,
          "is tagged %s, but %s is stored"
              .formatted(
                  Texts.quote(label),
                  Tag.isLearnt(label) && !learnt
                      ? "none of left_trans, right_trans and clip_ratio"
                      : "no svd_lowrank_l1"));
    }
    if (learnt && product) {
      throw tensors.unsupported(
          shape.module() + LowRankBranch.DOWN,
          "stands beside FlatQuant's tensors: no tool says which of them comes first");
    }
  }

  private OnlineInput input(LinearShape shape) {
    return new OnlineInput(tensors, shape, config);
  }

  private LowRankBranch lowRank(LinearShape shape) {
    return new LowRankBranch(tensors, shape);
  }

  @Override
  public LinearWeights read(LinearShape module) {
    LinearShape shape = stored(module);
    Optional<Layer> layer = layer(shape);
    LinearWeights weights = layer.isPresent() ? layer.get().read() : dense.read(shape);
    weights = lowRank(shape).of(input(shape).of(weights));
    Tensor smoothing = smoothing(module);
    return smoothing == null ? weights : weights.withInputScale(smoothing);
  }

  /** Where smoothing could not be folded into the layer before, the layer itself moves. */
  private LinearShape stored(LinearShape shape) {
    String moved = shape.module() + ".linear";
    return tensors.has(moved + ".weight") && !tensors.has(shape.module() + ".weight")
        ? new LinearShape(moved, shape.rows(), shape.columns(), shape.bias())
        : shape;
  }

  /** What every channel of the input is multiplied with first; null if nothing. */
  private @Nullable Tensor smoothing(LinearShape shape) {
    String name = shape.module() + ".div.mul_scale";
    Tensor scale = tensors.vector(name, DenseFormat.FLOATS, shape.columns());
    for (long i = 0; scale != null && i < scale.size(); i++) {
      if (!Float.isFinite(scale.getFloat(i))) {
        throw tensors.problem(name, "holds %s at index %d".formatted(scale.getFloat(i), i));
      }
    }
    return scale;
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
      case DYNAMIC_INT4_INPUTS ->
          Optional.of(
              Int4Layer.unpacked(
                  tensors,
                  shape,
                  group,
                  new ActivationQuant.DynamicInt4(ActivationQuant.DynamicInt4.CODES)));
      case DYNAMIC_FP8 -> Optional.of(Fp8Layer.of(tensors, shape));
      case MX_FP8_INPUTS -> Optional.of(new MxLayer(tensors, shape, new MxGroup(8, false, 0)));
      case MX_FP4_INPUTS -> Optional.of(new MxLayer(tensors, shape, new MxGroup(4)));
      case MX_TWO_LEVELS -> Optional.of(new MxLayer(tensors, shape, new MxGroup(4, true, COARSE)));
      case SCALE ->
          throw description.problem(weight, "is tagged " + tag.label() + ", which is for scales");
      case UNREAD ->
          throw description.unsupported(
              weight,
              "is tagged %s, which is not supported: %s"
                  .formatted(Texts.quote(tag.label()), tag.obstacle()));
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

  @Override
  public List<String> scaleProblems() {
    return scales.problems();
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
