package dev.octet.quantize.rotate;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** Small models of random weights in directories: every norm, bias and shape different. */
final class RandomModel {
  private RandomModel() {}

  /** 48 channels in heads of 12: both take a Hadamard matrix of order 12. */
  static final String LLAMA =
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 61,
       "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
       "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
       "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
       "attention_bias": true, "mlp_bias": true, "torch_dtype": "float32"}
      """;

  /** Tied, with biases of q, k and v. */
  static final String QWEN2 =
      """
      {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 61,
       "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
       "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
       "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "torch_dtype": "float32"}
      """;

  /** Tied, with norms of q and k and heads that make more than the hidden width. */
  static final String QWEN3 =
      """
      {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": 61,
       "hidden_size": 40, "intermediate_size": 64, "num_hidden_layers": 2,
       "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 16,
       "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
       "torch_dtype": "float32"}
      """;

  static Path write(Path directory, String config) throws IOException {
    Files.createDirectories(directory);
    Path file = Files.writeString(directory.resolve("config.json"), config);
    ModelConfig c = ModelConfigs.read(file);
    SplittableRandom random = new SplittableRandom(5);
    Map<String, Tensor> tensors = new TreeMap<>();
    ModelLayout.plain(
        c,
        plain -> {
          long[] shape = plain.shape().stream().mapToLong(Long::longValue).toArray();
          boolean norm = shape.length == 1;
          tensors.put(plain.name(), random(random, norm ? 1 : 0, norm ? 0.4 : 1, shape));
        });
    ModelLayout.linears(
        c,
        shape -> {
          double size = 1.5 / Math.sqrt((double) shape.columns());
          tensors.put(
              shape.module() + ".weight", random(random, 0, size, shape.rows(), shape.columns()));
          if (shape.bias()) {
            tensors.put(shape.module() + ".bias", random(random, 0, 0.3, shape.rows()));
          }
        });
    SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors);
    return directory;
  }

  private static Tensor random(SplittableRandom random, double mean, double size, long... shape) {
    Tensor tensor = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.setFloat(i, (float) (mean + size * random.nextGaussian()));
    }
    return tensor;
  }
}
