package dev.octet.model;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.model.ModuleLoader.Output;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What one decoder layer is made of; {@link Transformer} says how it runs. Query, key and value run
 * as one, and so do gate and up, because they read the same rows; each keeps its own scales.
 *
 * @param queryNorm over every head of q, with {@code keyNorm}; null without QK-norm
 * @param window keys a query sees, its own included; 0 = all
 */
record DecoderLayer(
    RmsNorm inputNorm,
    Projection queryKeyValue,
    @Nullable RmsNorm queryNorm,
    @Nullable RmsNorm keyNorm,
    Projection output,
    RmsNorm postAttentionNorm,
    Projection gateUp,
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
        modules.projection(
            c.hiddenSize(),
            new Output(attention + "q_proj", queryWidth),
            new Output(attention + "k_proj", kvWidth),
            new Output(attention + "v_proj", kvWidth)),
        c.qkNorm() ? modules.norm(attention + "q_norm", c.headDim()) : null,
        c.qkNorm() ? modules.norm(attention + "k_norm", c.headDim()) : null,
        modules.projection(queryWidth, new Output(attention + "o_proj", c.hiddenSize())),
        modules.norm("model.layers." + index + ".post_attention_layernorm", c.hiddenSize()),
        modules.projection(
            c.hiddenSize(),
            new Output(mlp + "gate_proj", c.intermediateSize()),
            new Output(mlp + "up_proj", c.intermediateSize())),
        modules.projection(c.intermediateSize(), new Output(mlp + "down_proj", c.hiddenSize())),
        c.windows().get(index));
  }

  long byteSize() {
    long linears =
        Stream.of(queryKeyValue, output, gateUp, down).mapToLong(Projection::byteSize).sum();
    long qkNorms =
        queryNorm == null || keyNorm == null ? 0 : queryNorm.byteSize() + keyNorm.byteSize();
    return linears + inputNorm.byteSize() + postAttentionNorm.byteSize() + qkNorms;
  }
}
