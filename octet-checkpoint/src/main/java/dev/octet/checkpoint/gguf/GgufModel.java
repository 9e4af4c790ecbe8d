package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.checkpoint.WeightSource;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A model as a GGUF file holds it: which tensors of which types, in which order of rows, and the
 * metadata that says what they are.
 */
public final class GgufModel {
  private final WeightSource source;
  private final ModelConfig config;
  private final GgufType wanted;
  private final List<GgufTensorPlan> plan = new ArrayList<>();

  /**
   * A tensor to write.
   *
   * @param spec name, type and shape in the file
   * @param name the tensor's name in the model
   */
  public record GgufTensorPlan(GgufWriter.Spec spec, String name) {}

  /**
   * @param source unquantized weights
   * @param wanted the type of matrices: Q8_0, Q4_0, Q4_K, Q6_K, F16, BF16 or F32
   * @throws CheckpointException for a model that llama.cpp's format cannot describe
   */
  public GgufModel(WeightSource source, GgufType wanted) {
    this.source = source;
    this.config = source.config();
    this.wanted = wanted;
    requireDescribable();
    ModelLayout.plain(
        config, p -> add(p.name(), p.shape().stream().mapToLong(Long::longValue).toArray()));
    ModelLayout.linears(
        config,
        l -> {
          add(l.module() + ".weight", l.rows(), l.columns());
          if (l.bias()) {
            add(l.module() + ".bias", l.rows());
          }
        });
    ropeFactors()
        .ifPresent(
            f ->
                plan.add(
                    new GgufTensorPlan(
                        new GgufWriter.Spec(GgufNames.ROPE_FACTORS, GgufType.F32, f.length), "")));
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

  private void add(String name, long... shape) {
    String stored =
        GgufNames.of(name)
            .orElseThrow(() -> new CheckpointException("GGUF has no name for " + name));
    plan.add(new GgufTensorPlan(new GgufWriter.Spec(stored, type(stored, shape), shape), name));
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
    boolean four = wanted == GgufType.Q4_0 || wanted == GgufType.Q4_K;
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
      Tensor vector = source.tensor(name);
      return new Reordered(
          new DenseWeight(vector.reshape(1, vector.size())), RowOrder.SAME, order(name));
    }
    if (name.equals(ModelLayout.EMBEDDING)) {
      return source.embedding();
    }
    String module = name.substring(0, name.length() - ".weight".length());
    return new Reordered(source.linear(module).weight(), order(name), RowOrder.SAME);
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
    return switch (wanted) {
      case F32 -> 0;
      case Q4_0 -> 2;
      case Q8_0 -> 7;
      case Q4_K -> 14;
      case Q6_K -> 18;
      case BF16 -> 32;
      default -> 1;
    };
  }
}
