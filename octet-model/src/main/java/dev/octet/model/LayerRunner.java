package dev.octet.model;

import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Linear;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.StaticQuery;
import dev.octet.tensor.DType;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One decoder layer run by itself, stage by stage, so that a quantizer sees what each linear layer
 * is given and can exchange weights on the way. Attention is F32 over all tokens of one sequence,
 * from position 0; the stages in order are what {@link CausalLm} computes:
 *
 * <pre>
 *   attentionInput → project → attend → addOutput → feedForwardInput → activate → addDown
 * </pre>
 *
 * <p>All tensors are F32 with a row a token. Not for several threads at once.
 */
public final class LayerRunner implements AutoCloseable {
  /** The linear layers of a decoder layer, in the order of the forward pass. */
  public enum Part {
    QUERY("self_attn.q_proj"),
    KEY("self_attn.k_proj"),
    VALUE("self_attn.v_proj"),
    OUTPUT("self_attn.o_proj"),
    GATE("mlp.gate_proj"),
    UP("mlp.up_proj"),
    DOWN("mlp.down_proj");

    private final String suffix;

    Part(String suffix) {
      this.suffix = suffix;
    }

    /** The module's full name in a layer. */
    public String module(int layer) {
      return "model.layers." + layer + "." + suffix;
    }
  }

  /** Which of the two norms on the residual stream. */
  public enum Norm {
    ATTENTION("input_layernorm"),
    FEED_FORWARD("post_attention_layernorm");

    private final String suffix;

    Norm(String suffix) {
      this.suffix = suffix;
    }

    /** The module's full name in a layer. */
    public String module(int layer) {
      return "model.layers." + layer + "." + suffix;
    }
  }

  /**
   * What attention multiplies, keys and queries after the rotary embedding.
   *
   * @param query [tokens, heads·headDim]
   * @param key [tokens, kvHeads·headDim]
   * @param value like {@code key}
   */
  public record Operands(Tensor query, Tensor key, Tensor value) {}

  private final Kernels kernels;
  private final ModelConfig config;
  private final Rotary rotary;
  private final int window;
  private final Arena arena = Arena.ofShared();
  private final Map<Part, Linear> linears = new EnumMap<>(Part.class);
  private final Map<Norm, RmsNorm> norms = new EnumMap<>(Norm.class);
  private final Map<Part, RmsNorm> headNorms = new EnumMap<>(Part.class);
  private KvSpec cache;
  private @Nullable StaticQuery query;

  /**
   * Loads a layer's norms and linear layers.
   *
   * @param source stays the caller's and must outlive this
   * @throws dev.octet.checkpoint.CheckpointException if a weight is absent or damaged
   */
  public LayerRunner(WeightSource source, Kernels kernels, int layer) {
    this.kernels = kernels;
    this.config = source.config();
    this.rotary = new Rotary(config);
    this.window = config.windows().get(layer);
    this.cache = new KvSpec(config.kvHeads(), config.headDim(), config.headDim(), KvType.F32, null);
    try {
      for (Norm norm : Norm.values()) {
        norms.put(norm, RmsNorm.load(source, norm.module(layer), config.hiddenSize(), arena));
      }
      if (config.qkNorm()) {
        String attention = "model.layers." + layer + ".self_attn.";
        headNorms.put(
            Part.QUERY, RmsNorm.load(source, attention + "q_norm", config.headDim(), arena));
        headNorms.put(
            Part.KEY, RmsNorm.load(source, attention + "k_norm", config.headDim(), arena));
      }
      for (Part part : Part.values()) {
        set(part, source.linear(part.module(layer)));
      }
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  /** The embeddings of a sequence, the first layer's input: F32 [ids.length, hidden]. */
  public static Tensor embed(WeightSource source, int[] ids, Arena arena) {
    Tensor out = Tensor.allocate(arena, DType.F32, ids.length, source.config().hiddenSize());
    Embedding.load(source).lookUp(ids, out);
    return out;
  }

  /** Exchanges a linear layer. Its memory must stay alive as long as it is used here. */
  public void set(Part part, LinearWeights weights) {
    linears.put(part, kernels.linear(weights, arena));
  }

  /** Attends from now on to keys and values, and with queries, rounded as static scales say. */
  public void round(KvScales scales, @Nullable QueryScales queries) {
    int dim = config.headDim();
    StaticKvScales fixed =
        new StaticKvScales(scales.key(), scales.value(), scales.keyOffset(), scales.valueOffset());
    cache = new KvSpec(config.kvHeads(), dim, dim, KvPlan.typeOf(scales.type()), fixed);
    query =
        queries == null
            ? null
            : new StaticQuery(
                KvPlan.typeOf(queries.type()),
                config.heads(),
                dim,
                queries.scale(),
                queries.offset());
  }

  /** Exchanges a linear layer for one that is ready to run. */
  public void set(Part part, Linear linear) {
    linears.put(part, linear);
  }

  /** The linear layer that is in use. */
  public Linear get(Part part) {
    return linear(part);
  }

  /** The whole layer: {@code hidden} becomes the next one's input. */
  public void run(Tensor hidden) {
    try (Arena scratch = Arena.ofShared()) {
      addOutput(attend(project(attentionInput(hidden, scratch), scratch), scratch), hidden);
      addDown(activate(feedForwardInput(hidden, scratch), scratch), hidden);
    }
  }

  /** Divides a norm's weight and bias, channel by channel. */
  public void divide(Norm norm, float[] divisors) {
    RmsNorm n = norm(norm);
    divide(n.weight(), divisors);
    if (n.bias() != null) {
      divide(n.bias(), divisors);
    }
  }

  private static void divide(Tensor values, float[] divisors) {
    for (int j = 0; j < divisors.length; j++) {
      values.setFloat(j, values.getFloat(j) / divisors[j]);
    }
  }

  /** A norm's weight as it is now, F32 [hidden]. */
  public Tensor weight(Norm norm) {
    return norm(norm).weight();
  }

  /** A norm's bias as it is now, F32 [hidden]; null: it has none. */
  public @Nullable Tensor bias(Norm norm) {
    return norm(norm).bias();
  }

  /** Input features of a linear layer. */
  public int inputs(Part part) {
    return Math.toIntExact(linear(part).inFeatures());
  }

  /** What q, k and v are given. */
  public Tensor attentionInput(Tensor hidden, Arena to) {
    return normed(Norm.ATTENTION, hidden, to);
  }

  /** Queries, keys and values, ready for attention. */
  public Operands project(Tensor input, Arena to) {
    Tensor q = apply(Part.QUERY, input, to);
    Tensor k = apply(Part.KEY, input, to);
    Tensor v = apply(Part.VALUE, input, to);
    int tokens = Math.toIntExact(input.rows());
    int[] positions = IntStream.range(0, tokens).toArray();
    RotaryTable table = rotary.forLength(tokens);
    turn(Part.QUERY, heads(q, config.heads()), positions, table);
    turn(Part.KEY, heads(k, config.kvHeads()), positions, table);
    return new Operands(q, k, v);
  }

  private void turn(Part part, Tensor x, int[] positions, RotaryTable table) {
    RmsNorm norm = headNorms.get(part);
    if (norm != null) {
      Tensor rows = x.reshape(x.size() / config.headDim(), config.headDim());
      norm.apply(kernels, rows, rows);
    }
    kernels.rope(x, positions, table);
  }

  /** What the output projection is given. Queries may be rounded in place. */
  public Tensor attend(Operands operands, Arena to) {
    Tensor q = heads(operands.query(), config.heads());
    if (query != null) {
      query.round(q);
    }
    Tensor out = Tensor.allocate(to, DType.F32, q.shape());
    float scale = (float) (1 / Math.sqrt(config.headDim()));
    try (KvLayer kv = kernels.attention().newKvLayer(cache)) {
      kv.append(heads(operands.key(), config.kvHeads()), heads(operands.value(), config.kvHeads()));
      AttentionSpec see = new AttentionSpec(config.heads(), scale, true, 0, window, null);
      kernels.attention().attend(AttentionKind.F32, see, q, kv, out, null);
    }
    return out.reshape(operands.query().shape());
  }

  private Tensor heads(Tensor x, int count) {
    return x.reshape(x.rows(), count, config.headDim());
  }

  /** {@code hidden += o(context)}. */
  public void addOutput(Tensor context, Tensor hidden) {
    add(Part.OUTPUT, context, hidden);
  }

  /** What gate and up are given. */
  public Tensor feedForwardInput(Tensor hidden, Arena to) {
    return normed(Norm.FEED_FORWARD, hidden, to);
  }

  /** What down is given: {@code silu(gate) · up}. */
  public Tensor activate(Tensor input, Arena to) {
    Tensor gate = apply(Part.GATE, input, to);
    kernels.swiGlu(gate, apply(Part.UP, input, to), gate);
    return gate;
  }

  /** {@code hidden += down(activated)}. */
  public void addDown(Tensor activated, Tensor hidden) {
    add(Part.DOWN, activated, hidden);
  }

  private void add(Part part, Tensor x, Tensor hidden) {
    try (Arena scratch = Arena.ofShared()) {
      kernels.add(hidden, apply(part, x, scratch));
    }
  }

  private Tensor normed(Norm norm, Tensor x, Arena to) {
    Tensor out = Tensor.allocate(to, DType.F32, x.shape());
    norm(norm).apply(kernels, x, out);
    return out;
  }

  /** What one of the linear layers makes of its input. */
  public Tensor apply(Part part, Tensor x, Arena to) {
    Linear linear = linear(part);
    Tensor out = Tensor.allocate(to, DType.F32, x.rows(), linear.outFeatures());
    linear.apply(x, out);
    return out;
  }

  private Linear linear(Part part) {
    return Objects.requireNonNull(linears.get(part));
  }

  private RmsNorm norm(Norm norm) {
    return Objects.requireNonNull(norms.get(norm));
  }

  @Override
  public void close() {
    arena.close();
  }
}
