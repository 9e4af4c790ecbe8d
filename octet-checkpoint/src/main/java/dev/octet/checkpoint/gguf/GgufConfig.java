package dev.octet.checkpoint.gguf;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;

/**
 * Reads a model's settings from the metadata of its file, as llama.cpp's converter writes them.
 * What the metadata leaves to the tensors (biases, a tied output, the vocabulary) is taken from
 * there; what would change the result and is not understood is refused.
 */
final class GgufConfig {
  private static final int MAX_WIDTH = 1 << 20;
  private static final int MAX_VOCABULARY = 1 << 24;
  private static final String LAYER = "blk.0.";

  /** Settings of other architectures that must be absent, zero or false. */
  private static final List<String> OFF =
      List.of(
          "expert_count",
          "attention.alibi_bias_max",
          "attention.clamp_kqv",
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "attention.temperature_length",
          "attention.temperature_scale",
          "interleave_moe_layer_step",
          "leading_dense_block_count",
          "nextn_predict_layers",
          "use_parallel_residual");

  /** The same where 1 changes nothing either. */
  private static final List<String> ONE =
      List.of("logit_scale", "embedding_scale", "residual_scale");

  private final GgufFile file;
  private final GgufMetadata metadata;
  private final String prefix;

  private GgufConfig(GgufFile file, String prefix) {
    this.file = file;
    this.metadata = file.metadata();
    this.prefix = prefix;
  }

  static ModelConfig read(GgufFile file) {
    GgufMetadata metadata = file.metadata();
    String name = metadata.text("general.architecture").orElse("");
    if (name.isEmpty()) {
      throw metadata.problem("general.architecture", "is missing");
    }
    Architecture architecture =
        switch (name) {
          case "llama" -> Architecture.LLAMA;
          case "mistral" -> Architecture.MISTRAL;
          case "qwen2" -> Architecture.QWEN2;
          case "qwen3" -> Architecture.QWEN3;
          default ->
              throw metadata.unsupported(
                  "general.architecture",
                  "is " + Texts.quote(name) + "; supported are llama, mistral, qwen2, qwen3");
        };
    return new GgufConfig(file, name + ".").config(architecture);
  }

  private ModelConfig config(Architecture named) {
    requireNeutral();
    int hidden = integer("embedding_length");
    int layers = metadata.requireInteger(key("block_count"), 1, ModelConfigs.MAX_LAYERS);
    int heads = integer("attention.head_count");
    int kvHeads = metadata.integer(key("attention.head_count_kv"), 1, MAX_WIDTH).orElse(heads);
    if (heads % kvHeads != 0) {
      throw metadata.problem(
          key("attention.head_count_kv"),
          "is %d, which does not divide %d".formatted(kvHeads, heads));
    }
    int headDim = headDim(hidden, heads);
    int context = metadata.requireInteger(key("context_length"), 1, Integer.MAX_VALUE);
    GgufRope rope = new GgufRope(file, prefix, headDim, context);
    List<Integer> windows = windows(named, layers);
    boolean slides = windows.getFirst() > 0;
    Architecture architecture =
        named == Architecture.LLAMA && slides ? Architecture.MISTRAL : named;
    return new ModelConfig(
        architecture,
        vocabulary(hidden),
        hidden,
        integer("feed_forward_length"),
        layers,
        heads,
        kvHeads,
        headDim,
        eps(),
        rope.theta(),
        rope.scaling(),
        context,
        !file.has("output.weight"),
        architecture == Architecture.QWEN2 || file.has(LAYER + "attn_q.bias"),
        file.has(LAYER + "attn_output.bias"),
        file.has(LAYER + "ffn_gate.bias"),
        architecture == Architecture.QWEN3,
        windows,
        metadata.integer("tokenizer.ggml.bos_token_id", 0, MAX_VOCABULARY).orElse(-1),
        endTokens(),
        dtype());
  }

  private String key(String name) {
    return prefix + name;
  }

  private int integer(String name) {
    return metadata.requireInteger(key(name), 1, MAX_WIDTH);
  }

  private void requireNeutral() {
    for (String name : OFF) {
      GgufValue value = metadata.values().get(key(name));
      boolean neutral =
          switch (value) {
            case null -> true;
            case GgufValue.Whole(long v) -> v == 0;
            case GgufValue.Real(double v) -> v == 0;
            case GgufValue.Flag(boolean v) -> !v;
            default -> false;
          };
      if (!neutral) {
        throw metadata.unsupported(
            key(name), "is %s: it changes the result and is not supported".formatted(value));
      }
    }
    for (String name : ONE) {
      double value = metadata.number(key(name)).orElse(1);
      if (value != 1 && value != 0) {
        throw metadata.unsupported(key(name), "is %s: only 1 is supported".formatted(value));
      }
    }
    if (!metadata.flag(key("attention.causal"), true)) {
      throw metadata.unsupported(key("attention.causal"), "is false: only causal models are run");
    }
  }

  private int headDim(int hidden, int heads) {
    String key = key("attention.key_length");
    if (!metadata.has(key) && hidden % heads != 0) {
      throw metadata.problem(
          key("attention.head_count"), "is %d, which does not divide %d".formatted(heads, hidden));
    }
    int dim = metadata.integer(key, 1, 1 << 14).orElse(hidden / heads);
    if (dim % 2 != 0 || (long) heads * dim > MAX_WIDTH) {
      throw metadata.problem(key, "of %d for %d heads cannot be".formatted(dim, heads));
    }
    int values = metadata.integer(key("attention.value_length"), 1, 1 << 14).orElse(dim);
    if (values != dim) {
      throw metadata.unsupported(
          key("attention.value_length"), "is %d, keys have %d channels".formatted(values, dim));
    }
    double scale = metadata.number(key("attention.scale")).orElse(0);
    if (scale != 0 && Math.abs(scale * Math.sqrt(dim) - 1) > 1e-5) {
      throw metadata.unsupported(key("attention.scale"), "is " + scale + ", not 1/√" + dim);
    }
    return dim;
  }

  private double eps() {
    String key = key("attention.layer_norm_rms_epsilon");
    double eps = metadata.positive(key).orElseThrow(() -> metadata.problem(key, "is missing"));
    if (eps >= 1) {
      throw metadata.problem(key, "must be below 1, not " + eps);
    }
    return eps;
  }

  /** Rows of the embedding; whatever else names a size must agree. */
  private int vocabulary(int hidden) {
    GgufTensor embedding = file.tensors().get("token_embd.weight");
    if (embedding == null) {
      throw file.problem("token_embd.weight", "is missing");
    }
    long[] shape = embedding.shape();
    if (shape.length != 2 || shape[1] != hidden || shape[0] > MAX_VOCABULARY) {
      throw file.problem(
          embedding.name(),
          "is %s, %s is %d".formatted(List.of(boxed(shape)), key("embedding_length"), hidden));
    }
    int rows = (int) shape[0];
    int stated = metadata.integer(key("vocab_size"), 1, MAX_VOCABULARY).orElse(rows);
    if (stated != rows) {
      throw metadata.problem(
          key("vocab_size"), "is %d, the embedding has %d rows".formatted(stated, rows));
    }
    String tokens = "tokenizer.ggml.tokens";
    if (metadata.values().get(tokens) instanceof GgufValue.Many many && many.length() > rows) {
      throw metadata.problem(
          tokens, "are %d, the embedding has %d rows".formatted(many.length(), rows));
    }
    return rows;
  }

  private static Long[] boxed(long[] shape) {
    return Arrays.stream(shape).boxed().toArray(Long[]::new);
  }

  /** All layers of a Mistral slide; other families mean different layers by one number. */
  private List<Integer> windows(Architecture architecture, int layers) {
    String key = key("attention.sliding_window");
    int window = metadata.integer(key, 0, Integer.MAX_VALUE).orElse(0);
    boolean mistral = architecture == Architecture.LLAMA || architecture == Architecture.MISTRAL;
    if (window > 0 && !mistral) {
      throw metadata.unsupported(key, "is %d, without saying which layers slide".formatted(window));
    }
    return Collections.nCopies(layers, window);
  }

  private List<Integer> endTokens() {
    List<Integer> ids = new ArrayList<>();
    Stream.of("eos", "eot", "eom")
        .forEach(
            kind ->
                metadata
                    .integer("tokenizer.ggml." + kind + "_token_id", 0, MAX_VOCABULARY)
                    .ifPresent(ids::add));
    return ids.stream().distinct().toList();
  }

  private DType dtype() {
    boolean bf16 = file.tensors().values().stream().anyMatch(t -> t.type() == GgufType.BF16);
    GgufTensor embedding = file.tensors().get("token_embd.weight");
    boolean f32 = embedding != null && embedding.type() == GgufType.F32;
    return bf16 ? DType.BF16 : f32 ? DType.F32 : DType.F16;
  }
}
