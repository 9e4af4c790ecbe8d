package dev.octet.checkpoint;

import dev.octet.checkpoint.internal.Fields;
import java.util.List;
import java.util.Set;

/**
 * Fields of config.json that other architectures use to change the forward pass. Llama, Mistral and
 * Qwen models may carry them with a value that changes nothing; any other value is refused, because
 * ignoring it would give wrong text without a word.
 */
final class ForeignFields {
  /** Fields that must be absent, null, false, zero or empty. */
  private static final List<String> OFF =
      List.of(
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "logit_softcapping",
          "query_pre_attn_scalar",
          "attention_multiplier",
          "scale_depth",
          "dim_model_base",
          "clip_qkv",
          "alibi",
          "num_experts",
          "num_local_experts",
          "n_routed_experts",
          "n_shared_experts",
          "kv_lora_rank",
          "q_lora_rank",
          "attention_chunk_size",
          "no_rope_layers",
          "no_rope_layer_interval",
          "attn_temperature_tuning",
          "use_qk_norm",
          "qk_norm",
          "qk_layernorm",
          "add_cross_attention",
          "is_encoder_decoder",
          "parallel_residual",
          "use_parallel_residual",
          "cross_attention_layers",
          "num_kv_shared_layers",
          "rope_local_base_freq",
          "swa_rope_theta",
          "use_mrope",
          "rope_interleaved",
          "add_bias_linear",
          "use_bias",
          "attention_out_bias",
          "vision_config",
          "audio_config");

  /** Fields that must be absent, null or 1. */
  private static final List<String> ONE =
      List.of(
          "partial_rotary_factor",
          "rotary_pct",
          "rope_ratio",
          "logit_scale",
          "logits_scaling",
          "residual_multiplier",
          "embedding_multiplier",
          "scale_emb",
          "mup_width_multiplier",
          "lm_head_multiplier");

  private ForeignFields() {}

  static void requireNeutral(Fields config) {
    for (String name : OFF) {
      String raw = config.raw(name);
      if (config.isFilled(name) && !raw.equals("false") && !raw.equals("0") && !raw.equals("0.0")) {
        throw config.unsupported(
            name, "is %s: it changes the result and is not supported".formatted(raw));
      }
    }
    // Some tools put this one setting there and everything else where it belongs.
    if (config.isFilled("text_config")
        && !config
            .object("text_config")
            .orElseThrow()
            .names()
            .equals(Set.of("quantization_config"))) {
      throw config.unsupported("text_config", "is set: models of several parts are not supported");
    }
    for (String name : ONE) {
      if (config.number(name).orElse(1) != 1) {
        throw config.unsupported(name, "is %s: only 1 is supported".formatted(config.raw(name)));
      }
    }
  }
}
