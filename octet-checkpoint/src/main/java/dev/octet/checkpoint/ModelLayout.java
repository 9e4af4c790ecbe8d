package dev.octet.checkpoint;

import java.util.List;
import java.util.function.Consumer;

/**
 * The tensors a model is made of, as Hugging Face names them, with the shapes that its config asks
 * for.
 */
public final class ModelLayout {
  /** The embedding's tensor. */
  public static final String EMBEDDING = "model.embed_tokens.weight";

  /** The output projection's module. */
  public static final String LM_HEAD = "lm_head";

  private ModelLayout() {}

  /**
   * A linear layer.
   *
   * @param module its name, for instance {@code model.layers.0.mlp.up_proj}
   * @param rows output features n
   * @param columns input features k
   * @param bias whether the architecture has a bias here
   */
  public record LinearShape(String module, long rows, long columns, boolean bias) {}

  /**
   * A tensor that is not a linear layer's: embedding or norm.
   *
   * @param name the tensor's name
   * @param shape its dimensions
   */
  public record PlainShape(String name, List<Long> shape) {}

  /**
   * The bias beside a norm's weight, which no architecture has and some quantizers add.
   *
   * @param weight the name of a norm's weight, or of another tensor, which has none
   */
  public static String normBias(String weight) {
    return weight.endsWith("norm.weight")
        ? weight.substring(0, weight.length() - "weight".length()) + "bias"
        : "";
  }

  /** All linear layers in the order of the forward pass, {@code lm_head} last unless tied. */
  public static void linears(ModelConfig config, Consumer<LinearShape> to) {
    for (int layer = 0; layer < config.layers(); layer++) {
      layer(config, layer, to);
    }
    if (!config.tiedEmbeddings()) {
      to.accept(new LinearShape(LM_HEAD, config.vocabSize(), config.hiddenSize(), false));
    }
  }

  private static void layer(ModelConfig c, int layer, Consumer<LinearShape> to) {
    String attention = "model.layers." + layer + ".self_attn.";
    String mlp = "model.layers." + layer + ".mlp.";
    long hidden = c.hiddenSize();
    long q = (long) c.heads() * c.headDim();
    long kv = (long) c.kvHeads() * c.headDim();
    long inter = c.intermediateSize();
    to.accept(new LinearShape(attention + "q_proj", q, hidden, c.qkvBias()));
    to.accept(new LinearShape(attention + "k_proj", kv, hidden, c.qkvBias()));
    to.accept(new LinearShape(attention + "v_proj", kv, hidden, c.qkvBias()));
    to.accept(new LinearShape(attention + "o_proj", hidden, q, c.outputBias()));
    to.accept(new LinearShape(mlp + "gate_proj", inter, hidden, c.mlpBias()));
    to.accept(new LinearShape(mlp + "up_proj", inter, hidden, c.mlpBias()));
    to.accept(new LinearShape(mlp + "down_proj", hidden, inter, c.mlpBias()));
  }

  /** Embedding and norms in the order of the forward pass. */
  public static void plain(ModelConfig c, Consumer<PlainShape> to) {
    List<Long> hidden = List.of((long) c.hiddenSize());
    to.accept(new PlainShape(EMBEDDING, List.of((long) c.vocabSize(), (long) c.hiddenSize())));
    for (int layer = 0; layer < c.layers(); layer++) {
      String prefix = "model.layers." + layer + ".";
      to.accept(new PlainShape(prefix + "input_layernorm.weight", hidden));
      if (c.qkNorm()) {
        List<Long> head = List.of((long) c.headDim());
        to.accept(new PlainShape(prefix + "self_attn.q_norm.weight", head));
        to.accept(new PlainShape(prefix + "self_attn.k_norm.weight", head));
      }
      to.accept(new PlainShape(prefix + "post_attention_layernorm.weight", hidden));
    }
    to.accept(new PlainShape("model.norm.weight", hidden));
  }
}
