package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Json;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Writes the config.json that {@link ModelConfigs} reads, for models that came without one. */
public final class ModelConfigJson {
  private final ModelConfig config;
  private final ObjectNode json = Json.MAPPER.createObjectNode();

  private ModelConfigJson(ModelConfig config) {
    this.config = config;
  }

  /**
   * The file's content.
   *
   * @throws CheckpointException if config.json has no field for something
   */
  public static byte[] of(ModelConfig config) {
    ModelConfigJson out = new ModelConfigJson(config);
    out.sizes();
    out.biases();
    out.rope();
    out.windows();
    out.tokens();
    return Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(out.json);
  }

  private void sizes() {
    json.putArray("architectures").add(config.architecture().className());
    json.put("model_type", config.architecture().modelType()).put("hidden_act", "silu");
    json.put("vocab_size", config.vocabSize()).put("hidden_size", config.hiddenSize());
    json.put("intermediate_size", config.intermediateSize());
    json.put("num_hidden_layers", config.layers()).put("num_attention_heads", config.heads());
    json.put("num_key_value_heads", config.kvHeads()).put("head_dim", config.headDim());
    json.put("max_position_embeddings", config.maxPositions());
    json.put("rms_norm_eps", config.rmsNormEps());
    json.put("tie_word_embeddings", config.tiedEmbeddings());
    json.put(
        "torch_dtype",
        switch (config.dtype()) {
          case BF16 -> "bfloat16";
          case F16 -> "float16";
          default -> "float32";
        });
  }

  private void biases() {
    boolean fixed =
        config.architecture() == Architecture.QWEN2
            ? config.qkvBias() && !config.outputBias()
            : config.qkvBias() == config.outputBias();
    if (!fixed) {
      throw new CheckpointException(
          "config.json cannot say which of a %s model's projections have biases"
              .formatted(config.architecture().modelType()));
    }
    if (config.architecture() == Architecture.LLAMA
        || config.architecture() == Architecture.QWEN3) {
      json.put("attention_bias", config.qkvBias());
    }
    if (config.architecture() == Architecture.LLAMA) {
      json.put("mlp_bias", config.mlpBias());
    }
  }

  private void rope() {
    json.put("rope_theta", config.ropeTheta());
    switch (config.ropeScaling()) {
      case RopeScaling.Default _ -> {}
      case RopeScaling.LinearScaling s -> scaling("linear").put("factor", s.factor());
      case RopeScaling.Dynamic s ->
          scaling("dynamic")
              .put("factor", s.factor())
              .put("original_max_position_embeddings", s.originalContext());
      case RopeScaling.Llama3 s ->
          scaling("llama3")
              .put("factor", s.factor())
              .put("low_freq_factor", s.lowFrequency())
              .put("high_freq_factor", s.highFrequency())
              .put("original_max_position_embeddings", s.originalContext());
      case RopeScaling.Yarn s -> yarn(s);
      case RopeScaling.Factors _ ->
          throw new CheckpointException(
              "config.json has no field for a rope factor a channel; convert the original model");
    }
  }

  private ObjectNode scaling(String type) {
    return json.putObject("rope_scaling").put("rope_type", type);
  }

  private void yarn(RopeScaling.Yarn s) {
    ObjectNode rope = scaling("yarn");
    rope.put("factor", s.factor()).put("original_max_position_embeddings", s.originalContext());
    rope.put("beta_fast", s.betaFast()).put("beta_slow", s.betaSlow());
    if (s.attentionFactor() != null) {
      rope.put("attention_factor", s.attentionFactor());
    }
    if (s.mscale() != null) {
      rope.put("mscale", s.mscale());
    }
    if (s.mscaleAllDim() != null) {
      rope.put("mscale_all_dim", s.mscaleAllDim());
    }
    rope.put("truncate", s.truncate());
  }

  /** Qwen's layers are named one by one, Mistral's all slide. */
  private void windows() {
    int window = config.windows().stream().mapToInt(Integer::intValue).max().orElse(0);
    if (window == 0) {
      return;
    }
    json.put("sliding_window", window);
    if (config.architecture() != Architecture.MISTRAL) {
      json.put("use_sliding_window", true);
      ArrayNode types = json.putArray("layer_types");
      config.windows().forEach(w -> types.add(w > 0 ? "sliding_attention" : "full_attention"));
    }
  }

  private void tokens() {
    if (config.bosTokenId() >= 0) {
      json.put("bos_token_id", config.bosTokenId());
    }
    if (config.eosTokenIds().size() == 1) {
      json.put("eos_token_id", config.eosTokenIds().getFirst());
    } else if (!config.eosTokenIds().isEmpty()) {
      config.eosTokenIds().forEach(json.putArray("eos_token_id")::add);
    }
  }
}
