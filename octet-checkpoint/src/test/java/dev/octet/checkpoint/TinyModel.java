package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.ModelLayout.LinearShape;
import dev.octet.tensor.DType;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** Writes model directories of one layer, their linear layers in any tensors. */
final class TinyModel {
  static final int HIDDEN = 32;
  static final int INTER = 56;

  private TinyModel() {}

  /** The tensors of a layer by what follows its name: {@code .qweight} … */
  interface Layer {
    Map<String, Tensor> tensors(LinearShape shape);
  }

  /** What an element of a weight should be. */
  interface Element {
    double at(long output, long input);
  }

  static String config(String more) {
    return """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32,
         "intermediate_size": 56, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 16,
         "num_key_value_heads": 1, "vocab_size": 16, "max_position_embeddings": 64,
         "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "torch_dtype": "float16"%s}
        """
        .formatted(more);
  }

  /** A model whose config.json has a {@code quantization_config}; {@code lm_head} is dense. */
  static Path write(Path directory, String quantization, Layer layer) {
    return writeFiles(directory, config(", \"quantization_config\": " + quantization), layer);
  }

  static Path writeFiles(Path directory, String config, Layer layer) {
    try {
      Files.createDirectories(directory);
      Files.writeString(directory.resolve("config.json"), config);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    ModelConfig parsed = ModelConfigs.read(directory.resolve("config.json"));
    Map<String, Tensor> all = new TreeMap<>();
    Random random = new Random(7);
    ModelLayout.plain(
        parsed,
        p ->
            all.put(
                p.name(),
                floats(random, DType.F16, p.shape().stream().mapToLong(d -> d).toArray())));
    ModelLayout.linears(
        parsed,
        shape -> {
          if (shape.module().equals(ModelLayout.LM_HEAD)) {
            all.put("lm_head.weight", floats(random, DType.F16, shape.rows(), shape.columns()));
          } else {
            layer.tensors(shape).forEach((suffix, t) -> all.put(shape.module() + suffix, t));
          }
        });
    SafetensorsWriter.write(directory.resolve("model.safetensors"), all);
    return directory;
  }

  /** Positive numbers that F16 and BF16 hold exactly. */
  static Tensor floats(Random random, DType type, long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, (1 + random.nextInt(127)) / 128f);
    }
    return t;
  }

  static Tensor integers(DType type, long[] shape, java.util.function.LongUnaryOperator value) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, shape);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, (float) value.applyAsLong(i));
    }
    return t;
  }

  /** Every weight element is the product of what is stored, rounded once or twice. */
  static void requireElements(QuantizedWeight weight, Element element) {
    float[] row = new float[(int) weight.columns()];
    for (long o = 0; o < weight.rows(); o++) {
      weight.dequantizeRow(o, row);
      for (int i = 0; i < row.length; i++) {
        double want = element.at(o, i);
        assertThat((double) row[i])
            .as("[%d, %d]", o, i)
            .isCloseTo(want, org.assertj.core.data.Offset.offset(Math.abs(want) * 1.3e-7));
      }
    }
  }
}
