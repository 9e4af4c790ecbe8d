package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import dev.octet.checkpoint.internal.Json;
import dev.octet.tensor.DType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads Hugging Face's config.json, in the dialects before and since transformers 5. Defaults are
 * those of transformers' config classes. Fields that cannot change the result are ignored; one that
 * can and is not understood is an error.
 */
public final class ModelConfigs {
  /** The most decoder layers that are believed. */
  public static final int MAX_LAYERS = 4096;

  private static final int MAX_WIDTH = 1 << 20;
  private static final int MAX_VOCABULARY = 1 << 24;

  private ModelConfigs() {}

  /**
   * Reads and checks a config.json.
   *
   * @throws CheckpointException if it is damaged or contradicts itself
   * @throws UnsupportedCheckpointException if it asks for something that is not built
   */
  public static ModelConfig read(Path configJson) {
    return read(configJson.toString(), Json.readObject(configJson));
  }

  static ModelConfig read(String where, ObjectNode json) {
    Fields config = Fields.of(where, json);
    Architecture architecture = architecture(config);
    ForeignFields.requireNeutral(config);
    requireSilu(config);
    int hidden = config.requireInteger("hidden_size", 1, MAX_WIDTH);
    int layers = config.requireInteger("num_hidden_layers", 1, MAX_LAYERS);
    int heads = config.requireInteger("num_attention_heads", 1, MAX_WIDTH);
    int kvHeads = config.integer("num_key_value_heads", 1, MAX_WIDTH).orElse(heads);
    if (heads % kvHeads != 0) {
      throw config.problem(
          "num_key_value_heads", "%d must divide num_attention_heads %d".formatted(kvHeads, heads));
    }
    int maxPositions =
        config
            .integer("max_position_embeddings", 1, Integer.MAX_VALUE)
            .orElse(positions(architecture));
    RopeFields rope = new RopeFields(config, maxPositions);
    double eps = config.positive("rms_norm_eps").orElse(1e-6);
    if (eps >= 1) {
      throw config.problem("rms_norm_eps", "must be below 1, not " + eps);
    }
    boolean attentionBias = attentionBias(config, architecture);
    return new ModelConfig(
        architecture,
        config.requireInteger("vocab_size", 1, MAX_VOCABULARY),
        hidden,
        config.requireInteger("intermediate_size", 1, MAX_WIDTH),
        layers,
        heads,
        kvHeads,
        headDim(config, architecture, hidden, heads),
        eps,
        rope.theta(),
        rope.scaling(),
        maxPositions,
        config.flag("tie_word_embeddings", false),
        attentionBias,
        attentionBias && architecture != Architecture.QWEN2,
        mlpBias(config, architecture),
        architecture == Architecture.QWEN3,
        WindowFields.read(config, architecture, layers),
        config.integers("bos_token_id").stream().findFirst().orElse(-1),
        config.integers("eos_token_id").stream().filter(id -> id >= 0).toList(),
        dtype(config));
  }

  private static Architecture architecture(Fields config) {
    String type = config.requireText("model_type");
    Architecture architecture =
        Arrays.stream(Architecture.values())
            .filter(a -> a.modelType().equals(type))
            .findFirst()
            .orElseThrow(
                () ->
                    config.unsupported(
                        "model_type",
                        "names the architecture '%s'; supported are %s".formatted(type, known())));
    List<String> classes = config.texts("architectures");
    if (!classes.isEmpty()
        && classes.stream().noneMatch(c -> c.equalsIgnoreCase(architecture.className()))) {
      throw config.unsupported(
          "architectures",
          "is %s; for %s only %s is supported".formatted(classes, type, architecture.className()));
    }
    return architecture;
  }

  /** What the config classes have where config.json does not say. */
  private static int positions(Architecture architecture) {
    return switch (architecture) {
      case LLAMA -> 2048;
      case MISTRAL -> 131_072;
      case QWEN2, QWEN3 -> 32_768;
    };
  }

  private static String known() {
    return Arrays.stream(Architecture.values())
        .map(Architecture::modelType)
        .collect(Collectors.joining(", "));
  }

  private static void requireSilu(Fields config) {
    for (String name : List.of("hidden_act", "hidden_activation")) {
      String act = config.text(name).orElse("silu");
      if (!act.equals("silu") && !act.equals("swish")) {
        throw config.unsupported(
            name, "names the activation '%s'; only silu is supported".formatted(act));
      }
    }
  }

  private static int headDim(Fields config, Architecture architecture, int hidden, int heads) {
    if (!config.has("head_dim") && architecture != Architecture.QWEN3 && hidden % heads != 0) {
      throw config.problem(
          "num_attention_heads", "%d does not divide hidden_size %d".formatted(heads, hidden));
    }
    // Qwen3's config class has this default whatever the width.
    int fallback = architecture == Architecture.QWEN3 ? 128 : hidden / heads;
    int dim = config.integer("head_dim", 1, 1 << 14).orElse(fallback);
    if (dim % 2 != 0) {
      throw config.problem("head_dim", dim + " must be even to be rotated");
    }
    if ((long) heads * dim > MAX_WIDTH) {
      throw config.problem("head_dim", "%d times %d heads is absurd".formatted(dim, heads));
    }
    return dim;
  }

  /** Qwen2 always has biases on q, k and v and none on o; Mistral has none at all. */
  private static boolean attentionBias(Fields config, Architecture architecture) {
    boolean fallback = architecture == Architecture.QWEN2;
    boolean given = config.flag("attention_bias", fallback);
    boolean fixed = architecture == Architecture.QWEN2 || architecture == Architecture.MISTRAL;
    if (fixed && given != fallback) {
      throw config.unsupported(
          "attention_bias",
          "is %s; a %s model always has %s".formatted(given, architecture.modelType(), fallback));
    }
    return given;
  }

  private static boolean mlpBias(Fields config, Architecture architecture) {
    boolean bias = config.flag("mlp_bias", false);
    if (bias && architecture != Architecture.LLAMA) {
      throw config.unsupported("mlp_bias", "is true; only llama models have it");
    }
    return bias;
  }

  private static DType dtype(Fields config) {
    String field = config.has("dtype") ? "dtype" : "torch_dtype";
    String name = config.text(field).orElse("float32").toLowerCase(Locale.ROOT);
    return switch (name.startsWith("torch.") ? name.substring(6) : name) {
      case "float32", "float" -> DType.F32;
      case "float16", "half" -> DType.F16;
      case "bfloat16" -> DType.BF16;
      default ->
          throw config.unsupported(
              field, "is '%s'; known are float32, float16, bfloat16".formatted(name));
    };
  }
}
