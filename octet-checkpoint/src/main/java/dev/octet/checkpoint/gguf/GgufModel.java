package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.checkpoint.ModelLayout.PlainShape;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A model as a GGUF file holds it: which tensors of which types, in which order of rows, and the
 * metadata that says what they are.
 */
public final class GgufModel {
  private final WeightSource source;
  private final ModelConfig config;
  private final GgufType wanted;
  private final Predicate<String> kept;
  private final List<GgufTensorPlan> plan = new ArrayList<>();

  /**
   * A tensor to write.
   *
   * @param spec name, type and shape in the file
   * @param name the tensor's name in the model
   */
  public record GgufTensorPlan(GgufWriter.Spec spec, String name) {}

  /**
   * Every unquantized matrix in one type.
   *
   * @param wanted the type of matrices: Q8_0, Q4_0, Q4_K, Q6_K, F16, BF16 or F32
   * @throws CheckpointException for a model that llama.cpp's format cannot describe
   */
  public GgufModel(WeightSource source, GgufType wanted) {
    this(source, wanted, _ -> false);
  }

  /**
   * Quantized layers in the blocks that hold them as they are, other matrices as asked for.
   *
   * @param wanted the type of unquantized matrices
   * @param kept which modules' unquantized matrices keep their own type instead
   * @throws CheckpointException for a model or a layer that the format cannot hold
   */
  public GgufModel(WeightSource source, GgufType wanted, Predicate<String> kept) {
    this.source = source;
    this.config = source.config();
    this.wanted = wanted;
    this.kept = kept;
    requireDescribable();
    ModelLayout.plain(config, this::addPlain);
    ModelLayout.linears(config, this::addLinear);
    ropeFactors()
        .ifPresent(
            f ->
                plan.add(
                    new GgufTensorPlan(
                        new GgufWriter.Spec(GgufNames.ROPE_FACTORS, GgufType.F32, f.length), "")));
  }

  /**
   * Refuses a layer that no blocks hold as it is.
   *
   * @throws CheckpointException naming the layer, the value and the reason
   */
  public static void requireHeld(String module, LinearWeights layer) {
    ExactBlocks.type(module, layer);
  }

  private void requireDescribable() {
    boolean slides = config.windows().stream().anyMatch(w -> w > 0);
    boolean together = config.windows().stream().distinct().count() == 1;
    if (slides && !(config.architecture() == Architecture.MISTRAL && together)) {
      throw new CheckpointException("GGUF cannot say which layers see a sliding window");
    }
    boolean yarnOfItsOwn =
        config.ropeScaling() instanceof RopeScaling.Yarn y
            && (y.attentionFactor() != null || y.mscale() != null || y.mscaleAllDim() != null);
    if (config.ropeScaling() instanceof RopeScaling.Dynamic || yarnOfItsOwn) {
      throw new CheckpointException("GGUF has no key for the model's rope_scaling");
    }
  }

  private void addPlain(PlainShape plain) {
    long[] shape = plain.shape().stream().mapToLong(Long::longValue).toArray();
    String bias = ModelLayout.normBias(plain.name());
    if (source.hasTensor(bias)) {
      throw new CheckpointException(bias + ": GGUF has no norms with a bias");
    }
    boolean own = plain.name().equals(ModelLayout.EMBEDDING) && kept.test(module(plain.name()));
    add(plain.name(), own ? own(source.tensor(plain.name()).dtype()) : null, shape);
  }

  private void addLinear(LinearShape shape) {
    LinearWeights layer = source.linear(shape.module());
    boolean own = !(layer.weight() instanceof DenseWeight) || kept.test(shape.module());
    GgufType exact = ExactBlocks.type(shape.module(), layer);
    add(shape.module() + ".weight", own ? exact : null, shape.rows(), shape.columns());
    if (shape.bias()) {
      add(shape.module() + ".bias", null, shape.rows());
    } else if (layer.bias() != null) {
      throw new CheckpointException(
          shape.module() + ": has a bias that its architecture has not, and GGUF no place for it");
    }
  }

  private static GgufType own(DType type) {
    return GgufType.valueOf(type.name());
  }

  private static String module(String name) {
    return name.substring(0, name.lastIndexOf('.'));
  }

  private void add(String name, @Nullable GgufType exact, long... shape) {
    String stored =
        GgufNames.of(name)
            .orElseThrow(() -> new CheckpointException("GGUF has no name for " + name));
    GgufType type = exact == null ? type(stored, shape) : exact;
    plan.add(new GgufTensorPlan(new GgufWriter.Spec(stored, type, shape), name));
  }

  /**
   * Norms and biases stay F32. Output and embedding, which weigh most, are Q6_K where matrices have
   * four bits. Rows that are no whole blocks take the next larger type, as llama.cpp does.
   */
  private GgufType type(String stored, long[] shape) {
    if (shape.length == 1) {
      return GgufType.F32;
    }
    boolean outer = stored.equals("token_embd.weight") || stored.equals("output.weight");
    boolean four = wanted == GgufType.Q4_0 || wanted == GgufType.Q4_1 || wanted == GgufType.Q4_K;
    GgufType type = outer && four ? GgufType.Q6_K : wanted;
    while (shape[1] % type.blockElements() != 0) {
      type =
          switch (type) {
            case Q4_K -> GgufType.Q5_0;
            case Q6_K -> GgufType.Q8_0;
            default -> GgufType.F16;
          };
    }
    return type;
  }

  /** Writes a planned tensor. */
  public void write(GgufTensorPlan planned, GgufWriter writer) {
    String name = planned.spec().name();
    if (planned.spec().shape().length == 2 && planned.name().endsWith(".weight")) {
      String module = module(planned.name());
      boolean linear = !planned.name().equals(ModelLayout.EMBEDDING);
      QuantizedWeight weight = linear ? source.linear(module).weight() : null;
      if (weight != null && !(weight instanceof DenseWeight)) {
        writer.write(name, ExactBlocks.of(weight, planned.spec().type(), order(planned.name())));
        return;
      }
    }
    writer.write(name, rows(planned));
  }

  /** All tensors in the order of the file. */
  public List<GgufTensorPlan> plan() {
    return List.copyOf(plan);
  }

  /** The rows of a planned tensor as they are to lie. */
  public RowTable rows(GgufTensorPlan planned) {
    if (planned.spec().name().equals(GgufNames.ROPE_FACTORS)) {
      float[] factors = ropeFactors().orElseThrow();
      return new DenseWeight(Tensor.ofFloats(factors, 1, factors.length));
    }
    String name = planned.name();
    if (planned.spec().shape().length == 1) {
      Tensor vector = vector(name);
      return new Reordered(
          new DenseWeight(vector.reshape(1, vector.size())), RowOrder.SAME, order(name));
    }
    if (name.equals(ModelLayout.EMBEDDING)) {
      return source.embedding();
    }
    String module = name.substring(0, name.length() - ".weight".length());
    return new Reordered(source.linear(module).weight(), order(name), RowOrder.SAME);
  }

  /** A bias may be stored as something else; the layer knows what it is. */
  private Tensor vector(String name) {
    return name.endsWith(".bias")
        ? Objects.requireNonNull(source.linear(module(name)).bias())
        : source.tensor(name);
  }

  private RowOrder order(String name) {
    boolean llama =
        config.architecture() == Architecture.LLAMA
            || config.architecture() == Architecture.MISTRAL;
    boolean rotated = name.contains(".q_proj.") || name.contains(".k_proj.");
    return llama && rotated ? new RowOrder(config.headDim()) : RowOrder.SAME;
  }

  /** Rows, or the elements of the one row, in the order of the file. */
  private record Reordered(RowTable table, RowOrder rowOrder, RowOrder elements)
      implements RowTable {
    @Override
    public long rows() {
      return table.rows();
    }

    @Override
    public long columns() {
      return table.columns();
    }

    @Override
    public long byteSize() {
      return table.byteSize();
    }

    @Override
    public String label() {
      return table.label();
    }

    @Override
    public void dequantizeRow(long row, float[] out) {
      table.dequantizeRow(rowOrder.model(row), out);
      if (!elements.equals(RowOrder.SAME)) {
        float[] model = out.clone();
        for (int j = 0; j < columns(); j++) {
          out[j] = model[(int) elements.model(j)];
        }
      }
    }
  }

  /** Llama 3.1's scaling as a factor a frequency, as llama.cpp's converter writes it. */
  private Optional<float[]> ropeFactors() {
    return switch (config.ropeScaling()) {
      case RopeScaling.Factors f -> {
        float[] factors = new float[f.factors().size()];
        for (int i = 0; i < factors.length; i++) {
          factors[i] = f.factors().get(i).floatValue();
        }
        yield Optional.of(factors);
      }
      case RopeScaling.Llama3 s -> {
        float[] factors = new float[config.headDim() / 2];
        for (int i = 0; i < factors.length; i++) {
          double inverse = Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
          double turns = s.originalContext() * inverse / (2 * Math.PI);
          double keep =
              Math.clamp(
                  (turns - s.lowFrequency()) / (s.highFrequency() - s.lowFrequency()), 0.0, 1.0);
          factors[i] = (float) (1 / (keep + (1 - keep) / s.factor()));
        }
        yield Optional.of(factors);
      }
      default -> Optional.empty();
    };
  }

  /**
   * What the file says of the model; a tokenizer is added by {@link GgufVocabulary}.
   *
   * @param name the model's name
   */
  public GgufEntries metadata(String name) {
    boolean llama =
        config.architecture() == Architecture.LLAMA
            || config.architecture() == Architecture.MISTRAL;
    String architecture = llama ? "llama" : config.architecture().modelType();
    String p = architecture + ".";
    GgufEntries out =
        new GgufEntries()
            .text("general.architecture", architecture)
            .text("general.name", name)
            .whole("general.file_type", fileType())
            .whole("general.quantization_version", 2)
            .whole(p + "vocab_size", config.vocabSize())
            .whole(p + "context_length", config.maxPositions())
            .whole(p + "embedding_length", config.hiddenSize())
            .whole(p + "block_count", config.layers())
            .whole(p + "feed_forward_length", config.intermediateSize())
            .whole(p + "attention.head_count", config.heads())
            .whole(p + "attention.head_count_kv", config.kvHeads())
            .whole(p + "attention.key_length", config.headDim())
            .whole(p + "attention.value_length", config.headDim())
            .real(p + "attention.layer_norm_rms_epsilon", config.rmsNormEps())
            .whole(p + "rope.dimension_count", config.headDim())
            .real(p + "rope.freq_base", config.ropeTheta());
    int window = config.windows().getFirst();
    if (window > 0) {
      out.whole(p + "attention.sliding_window", window);
    }
    switch (config.ropeScaling()) {
      case RopeScaling.LinearScaling s ->
          out.text(p + "rope.scaling.type", "linear").real(p + "rope.scaling.factor", s.factor());
      case RopeScaling.Yarn s -> {
        out.text(p + "rope.scaling.type", "yarn").real(p + "rope.scaling.factor", s.factor());
        out.whole(p + "rope.scaling.original_context_length", s.originalContext());
        out.real(p + "rope.scaling.yarn_beta_fast", s.betaFast());
        out.real(p + "rope.scaling.yarn_beta_slow", s.betaSlow());
      }
      default -> {}
    }
    return out;
  }

  /** {@code llama_ftype} of llama.h: what most tensors are. */
  private int fileType() {
    return switch (mostly()) {
      case F32 -> 0;
      case Q4_0 -> 2;
      case Q4_1 -> 3;
      case Q8_0 -> 7;
      case Q5_0 -> 8;
      case Q4_K -> 14;
      case Q6_K -> 18;
      case BF16 -> 32;
      default -> 1;
    };
  }

  /** The type of most decoder layers' matrices. */
  private GgufType mostly() {
    Map<GgufType, Long> bytes = new EnumMap<>(GgufType.class);
    for (GgufTensorPlan tensor : plan) {
      if (tensor.spec().name().startsWith("blk.") && tensor.spec().shape().length == 2) {
        bytes.merge(tensor.spec().type(), tensor.spec().byteSize(), Long::sum);
      }
    }
    return bytes.entrySet().stream()
        .max(Map.Entry.comparingByValue())
        .map(Map.Entry::getKey)
        .orElse(wanted);
  }
}
