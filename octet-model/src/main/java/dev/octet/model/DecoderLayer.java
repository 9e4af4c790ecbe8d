package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What one decoder layer is made of; {@link Transformer} says how it runs. Query, key and value
 * stay separate linears, and so do gate and up, because a quantized checkpoint gives each its own
 * scales.
 *
 * @param queryNorm over every head of q, with {@code keyNorm}; null without QK-norm
 * @param window keys a query sees, its own included; 0 = all
 */
record DecoderLayer(
    RmsNorm inputNorm,
    Projection query,
    Projection key,
    Projection value,
    @Nullable RmsNorm queryNorm,
    @Nullable RmsNorm keyNorm,
    Projection output,
    RmsNorm postAttentionNorm,
    Projection gate,
    Projection up,
    Projection down,
    int window) {

  static DecoderLayer load(ModuleLoader modules, int index) {
    ModelConfig c = modules.config();
    String attention = "model.layers." + index + ".self_attn.";
    String mlp = "model.layers." + index + ".mlp.";
    int queryWidth = c.heads() * c.headDim();
    int kvWidth = c.kvHeads() * c.headDim();
    return new DecoderLayer(
        modules.norm("model.layers." + index + ".input_layernorm", c.hiddenSize()),
        modules.projection(attention + "q_proj", queryWidth, c.hiddenSize()),
        modules.projection(attention + "k_proj", kvWidth, c.hiddenSize()),
        modules.projection(attention + "v_proj", kvWidth, c.hiddenSize()),
        c.qkNorm() ? modules.norm(attention + "q_norm", c.headDim()) : null,
        c.qkNorm() ? modules.norm(attention + "k_norm", c.headDim()) : null,
        modules.projection(attention + "o_proj", c.hiddenSize(), queryWidth),
        modules.norm("model.layers." + index + ".post_attention_layernorm", c.hiddenSize()),
        modules.projection(mlp + "gate_proj", c.intermediateSize(), c.hiddenSize()),
        modules.projection(mlp + "up_proj", c.intermediateSize(), c.hiddenSize()),
        modules.projection(mlp + "down_proj", c.hiddenSize(), c.intermediateSize()),
        c.windows().get(index));
  }

  long byteSize() {
    long linears =
        Stream.of(query, key, value, output, gate, up, down).mapToLong(Projection::byteSize).sum();
    long qkNorms =
        queryNorm == null || keyNorm == null ? 0 : queryNorm.byteSize() + keyNorm.byteSize();
    return linears + inputNorm.byteSize() + postAttentionNorm.byteSize() + qkNorms;
  }
}
