package dev.octet.quantize.rotate;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An unquantized model whose residual stream is turned by an orthogonal Q and whose value heads are
 * turned by an R each, everything folded into weights: an ordinary model that computes the same.
 *
 * <p>A root mean square norm does not see Q once its weight g is folded into what reads it, since
 * {@code |Qh| = |h|}. So every reader's W becomes {@code W·diag(g)·Qᵀ}, every writer's {@code Q·W};
 * v becomes {@code R·v} head by head and o takes it back. The head reads another norm than the
 * embedding feeds, so tied ones become two.
 *
 * <p>Layers are turned when they are asked for, in F32; embedding and head in the type they are
 * stored in.
 */
final class RotatedSource implements WeightSource {
  private static final String HEAD_NORM = "model.norm.weight";

  private final WeightSource source;
  private final ModelConfig config;
  private final HadamardTransform residual;
  private final HadamardTransform valueHead;
  private final QuantizeOptions modules;
  private final int order;

  RotatedSource(WeightSource source, RotationOptions options, QuantizeOptions modules) {
    this.source = source;
    this.modules = modules;
    this.order = options.downOrder(source.config());
    this.config = source.config().untied();
    try {
      this.residual = HadamardTransform.of(config.hiddenSize(), options.seed());
      this.valueHead = HadamardTransform.of(config.headDim(), options.seed() + 1);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(e.getMessage() + "; quantize without rotation", e);
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      requireNoBias(norm(layer, "input_layernorm"));
      requireNoBias(norm(layer, "post_attention_layernorm"));
    }
    requireNoBias(HEAD_NORM);
  }

  private void requireNoBias(String weight) {
    String bias = weight.substring(0, weight.lastIndexOf('.')) + ".bias";
    if (source.hasTensor(bias)) {
      throw new CheckpointException(bias + ": a norm with a bias cannot be rotated");
    }
  }

  private static String norm(int layer, String name) {
    return "model.layers." + layer + "." + name + ".weight";
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public boolean hasTensor(String name) {
    return source.hasTensor(name);
  }

  /** Norms of the residual stream are ones, the embedding is turned, others stay as they are. */
  @Override
  public Tensor tensor(String name) {
    if (name.equals(ModelLayout.EMBEDDING)) {
      Tensor stored = source.tensor(name);
      return Folding.inputs(stored, null, residual, stored.dtype(), Arena.ofAuto());
    }
    Tensor stored = source.tensor(name);
    boolean folded = name.endsWith("layernorm.weight") || name.equals(HEAD_NORM);
    return folded ? ones(stored) : stored;
  }

  private static Tensor ones(Tensor like) {
    Tensor ones = Tensor.allocate(Arena.ofAuto(), like.dtype(), like.shape());
    for (long i = 0; i < ones.size(); i++) {
      ones.setFloat(i, 1);
    }
    return ones;
  }

  /** Turns the rows that are asked for, rounded as the whole would be stored. */
  @Override
  public RowTable embedding() {
    return new TurnedRows(
        source.embedding(), residual, source.tensor(ModelLayout.EMBEDDING).dtype());
  }

  @Override
  public LinearWeights linear(String module) {
    if (module.equals(ModelLayout.LM_HEAD)) {
      return lmHead();
    }
    LinearWeights layer = source.linear(module);
    Tensor stored = dense(module, layer);
    String part = module.substring(module.lastIndexOf('.') + 1);
    String prefix = module.substring(0, module.indexOf('.', "model.layers.".length()));
    return switch (part) {
      case "q_proj", "k_proj" -> reader(layer, stored, gain(prefix + ".input_layernorm"));
      case "v_proj" -> {
        LinearWeights v = reader(layer, stored, gain(prefix + ".input_layernorm"));
        Folding.outputs(dense(module, v), valueHead);
        yield new LinearWeights(v.weight(), Folding.bias(v.bias(), valueHead), v.activation());
      }
      case "gate_proj", "up_proj" ->
          reader(layer, stored, gain(prefix + ".post_attention_layernorm"));
      case "o_proj" ->
          writer(layer, Folding.inputs(stored, null, valueHead, DType.F32, Arena.ofAuto()));
      case "down_proj" -> down(module, layer, stored);
      default -> throw new CheckpointException(module + ": how to rotate it is not known");
    };
  }

  private LinearWeights reader(LinearWeights layer, Tensor stored, float[] gain) {
    Tensor turned = Folding.inputs(stored, gain, residual, DType.F32, Arena.ofAuto());
    return with(turned, layer.bias());
  }

  private LinearWeights writer(LinearWeights layer, Tensor weight) {
    Folding.outputs(weight, residual);
    return with(weight, Folding.bias(layer.bias(), residual));
  }

  /** Sylvester's matrix is its own inverse: the weight takes it back. */
  private LinearWeights down(String module, LinearWeights layer, Tensor stored) {
    if (order == 0 || modules.ignores(module)) {
      return writer(layer, stored.to(DType.F32, Arena.ofAuto()));
    }
    HadamardTransform turn = HadamardTransform.sylvester(order);
    Tensor weight = Folding.inputs(stored, null, turn, DType.F32, Arena.ofAuto());
    return writer(layer, weight).withInputHadamard(order);
  }

  private static LinearWeights with(Tensor weight, @Nullable Tensor bias) {
    return new LinearWeights(new DenseWeight(weight), bias, new ActivationQuant.None());
  }

  private float[] gain(String norm) {
    return source.tensor(norm + ".weight").toFloats();
  }

  @Override
  public LinearWeights lmHead() {
    LinearWeights head = source.lmHead();
    Tensor stored = dense(ModelLayout.LM_HEAD, head);
    float[] gain = source.tensor(HEAD_NORM).toFloats();
    return with(
        Folding.inputs(stored, gain, residual, stored.dtype(), Arena.ofAuto()), head.bias());
  }

  private static Tensor dense(String module, LinearWeights layer) {
    if (!layer.plain()) {
      throw new CheckpointException(
          module + ": changes its input while it runs; rotate the original");
    }
    if (layer.weight() instanceof DenseWeight(Tensor values)) {
      return values;
    }
    throw new CheckpointException(
        "%s is quantized already (%s); rotate the original"
            .formatted(module, layer.weight().label()));
  }

  /** Scales were made for values that are turned now. */
  @Override
  public Optional<KvScales> kvScales(int layer) {
    return Optional.empty();
  }

  @Override
  public Optional<QueryScales> queryScales(int layer) {
    return Optional.empty();
  }

  /** An embedding that is turned row by row. */
  private record TurnedRows(RowTable stored, HadamardTransform transform, DType type)
      implements RowTable {
    @Override
    public long rows() {
      return stored.rows();
    }

    @Override
    public long columns() {
      return stored.columns();
    }

    @Override
    public long byteSize() {
      return stored.byteSize();
    }

    @Override
    public String label() {
      return stored.label();
    }

    @Override
    public void dequantizeRow(long row, float[] out) {
      int width = Math.toIntExact(columns());
      float[] x = new float[width];
      stored.dequantizeRow(row, x);
      Folding.turn(x, null, transform);
      Tensor rounded = Tensor.ofFloats(x, width);
      if (type != DType.F32) {
        Arena arena = Arena.ofAuto();
        rounded = rounded.to(type, arena).to(DType.F32, arena);
      }
      rounded.copyRange(0, out, width);
    }
  }
}
