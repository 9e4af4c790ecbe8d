package dev.octet.checkpoint.gguf;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Tensor names of GGUF and of Hugging Face, module by module. */
public final class GgufNames {
  /** Frequency factors of the rotary embedding. */
  public static final String ROPE_FACTORS = "rope_freqs.weight";

  private static final Map<String, String> OUTER =
      Map.of("model.embed_tokens", "token_embd", "model.norm", "output_norm", "lm_head", "output");
  private static final Map<String, String> LAYER =
      Map.ofEntries(
          Map.entry("input_layernorm", "attn_norm"),
          Map.entry("self_attn.q_proj", "attn_q"),
          Map.entry("self_attn.k_proj", "attn_k"),
          Map.entry("self_attn.v_proj", "attn_v"),
          Map.entry("self_attn.o_proj", "attn_output"),
          Map.entry("self_attn.q_norm", "attn_q_norm"),
          Map.entry("self_attn.k_norm", "attn_k_norm"),
          Map.entry("post_attention_layernorm", "ffn_norm"),
          Map.entry("mlp.gate_proj", "ffn_gate"),
          Map.entry("mlp.up_proj", "ffn_up"),
          Map.entry("mlp.down_proj", "ffn_down"));
  private static final Map<String, String> OUTER_BACK = inverse(OUTER);
  private static final Map<String, String> LAYER_BACK = inverse(LAYER);

  private static final Pattern HUGGING_FACE =
      Pattern.compile("model\\.layers\\.(\\d{1,9})\\.(.+)\\.(weight|bias)");
  private static final Pattern GGUF = Pattern.compile("blk\\.(\\d{1,9})\\.(.+)\\.(weight|bias)");
  private static final Pattern PLAIN = Pattern.compile("(.+)\\.(weight|bias)");

  private GgufNames() {}

  private static Map<String, String> inverse(Map<String, String> map) {
    return map.entrySet().stream()
        .collect(Collectors.toMap(Map.Entry::getValue, Map.Entry::getKey));
  }

  /** GGUF's name of a tensor that Hugging Face calls {@code name}, if there is one. */
  public static Optional<String> of(String name) {
    return translate(name, HUGGING_FACE, LAYER, "blk.", OUTER);
  }

  /** The inverse of {@link #of}. */
  public static Optional<String> huggingFace(String name) {
    return translate(name, GGUF, LAYER_BACK, "model.layers.", OUTER_BACK);
  }

  private static Optional<String> translate(
      String name,
      Pattern layered,
      Map<String, String> layer,
      String prefix,
      Map<String, String> outer) {
    Matcher m = layered.matcher(name);
    if (m.matches()) {
      return Optional.ofNullable(layer.get(m.group(2)))
          .map(module -> prefix + m.group(1) + "." + module + "." + m.group(3));
    }
    Matcher plain = PLAIN.matcher(name);
    return plain.matches()
        ? Optional.ofNullable(outer.get(plain.group(1))).map(o -> o + "." + plain.group(2))
        : Optional.empty();
  }
}
