package dev.octet.checkpoint;

import java.util.Locale;

/** The model families that Octet runs, by the {@code model_type} of config.json. */
public enum Architecture {
  LLAMA,
  MISTRAL,
  QWEN2,
  /** Like Qwen2 without biases, with an RMSNorm over every head of Q and K. */
  QWEN3;

  /** As config.json spells it. */
  public String modelType() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Class name in the {@code architectures} field. */
  public String className() {
    return switch (this) {
      case LLAMA -> "LlamaForCausalLM";
      case MISTRAL -> "MistralForCausalLM";
      case QWEN2 -> "Qwen2ForCausalLM";
      case QWEN3 -> "Qwen3ForCausalLM";
    };
  }
}
