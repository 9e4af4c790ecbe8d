package dev.octet.benchpeers;

import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.Precision;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.gguf.GgufType;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A Llama model of random weights as llama.cpp's own tools would store it: every layer in one type;
 * the embedding and the output in Q6_K where layers are Q4_0, as {@code llama-quantize} does it. It
 * has no vocabulary.
 */
final class LlamaGguf {
  /** Names of a block's layers, ours and llama.cpp's. */
  private static final Map<String, String> NAMES =
      Map.of(
          "q_proj", "attn_q",
          "k_proj", "attn_k",
          "v_proj", "attn_v",
          "o_proj", "attn_output",
          "gate_proj", "ffn_gate",
          "up_proj", "ffn_up",
          "down_proj", "ffn_down");

  private final ModelConfig config;
  private final GgufType type;
  private final GgufWriter writer = new GgufWriter();
  private final Map<GgufType, byte[]> patterns = new EnumMap<>(GgufType.class);

  private LlamaGguf(ModelConfig config, GgufType type) {
    this.config = config;
    this.type = type;
  }

  /** llama.cpp's type for weights of that precision. */
  static GgufType type(Precision precision) {
    return switch (precision) {
      case BF16 -> GgufType.BF16;
      case INT8 -> GgufType.Q8_0;
      case INT4 -> GgufType.Q4_0;
      case F32 -> throw new PeerException("llama.cpp in F32 is nothing to compare with");
    };
  }

  /** {@code q8_0}; with the type of embedding and output where they differ. */
  static String label(GgufType type) {
    GgufType outer = outer(type);
    String name = type.name().toLowerCase(Locale.ROOT);
    return outer == type ? name : name + " head=" + outer.name().toLowerCase(Locale.ROOT);
  }

  /** A file ready to be written. */
  static GgufWriter of(ModelConfig config, GgufType type) {
    LlamaGguf model = new LlamaGguf(config, type);
    model.metadata();
    model.tensors();
    return model.writer;
  }

  /** Of an embedding that is not the head as well, a pass reads only a few rows. */
  static long idleBytes(ModelConfig config, GgufType type) {
    GgufType outer = outer(type);
    return config.tiedEmbeddings()
        ? 0
        : (long) config.vocabSize()
            * config.hiddenSize()
            / outer.blockElements()
            * outer.blockBytes();
  }

  private static GgufType outer(GgufType type) {
    return type == GgufType.Q4_0 ? GgufType.Q6_K : type;
  }

  private void metadata() {
    writer
        .text("general.architecture", "llama")
        .text("tokenizer.ggml.model", "no_vocab")
        .uint32("llama.vocab_size", config.vocabSize())
        .uint32("llama.context_length", config.maxPositions())
        .uint32("llama.embedding_length", config.hiddenSize())
        .uint32("llama.block_count", config.layers())
        .uint32("llama.feed_forward_length", config.intermediateSize())
        .uint32("llama.attention.head_count", config.heads())
        .uint32("llama.attention.head_count_kv", config.kvHeads())
        .uint32("llama.attention.key_length", config.headDim())
        .uint32("llama.attention.value_length", config.headDim())
        .uint32("llama.rope.dimension_count", config.headDim())
        .float32("llama.rope.freq_base", config.ropeTheta())
        .float32("llama.attention.layer_norm_rms_epsilon", config.rmsNormEps());
  }

  private void tensors() {
    GgufType outer = outer(type);
    matrix("token_embd.weight", outer, config.vocabSize(), config.hiddenSize());
    norm("output_norm.weight");
    if (!config.tiedEmbeddings()) {
      matrix("output.weight", outer, config.vocabSize(), config.hiddenSize());
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      norm("blk." + layer + ".attn_norm.weight");
      norm("blk." + layer + ".ffn_norm.weight");
    }
    ModelLayout.linears(
        config,
        shape -> {
          List<String> path = List.of(shape.module().split("\\.", -1));
          if (path.size() == 5) {
            String name = "blk." + path.get(2) + "." + NAMES.get(path.getLast()) + ".weight";
            matrix(name, type, shape.rows(), shape.columns());
          }
        });
  }

  private void norm(String name) {
    writer.tensor(
        name, GgufType.F32, RandomBlocks.ones(config.hiddenSize()), 0, config.hiddenSize());
  }

  /** One pattern for all widths: a factor of two in the spread does not matter here. */
  private void matrix(String name, GgufType stored, long rows, long columns) {
    double deviation = 1 / Math.sqrt(config.hiddenSize());
    byte[] pattern = patterns.computeIfAbsent(stored, t -> RandomBlocks.of(t, deviation));
    writer.tensor(name, stored, pattern, rows, columns);
  }
}
