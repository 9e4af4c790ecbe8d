package dev.octet.train;

import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.TensorSpec;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import dev.octet.train.bpe.BpeVocabulary;
import dev.octet.train.bpe.TokenizerJson;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/**
 * Writes a trained model as a Hugging Face directory: {@code config.json}, {@code
 * generation_config.json}, {@code model.safetensors}, {@code tokenizer.json}, {@code
 * tokenizer_config.json}. Each file appears whole or not at all, {@code config.json} last: a
 * directory without it is no model.
 */
final class ModelWriter {
  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  private final Path directory;
  private final LlamaShape shape;
  private final BpeVocabulary vocabulary;

  ModelWriter(Path directory, LlamaShape shape, BpeVocabulary vocabulary) {
    this.directory = directory;
    this.shape = shape;
    this.vocabulary = vocabulary;
  }

  /** Writes everything, the weights in BF16 rounded to nearest even. */
  void write(FlatParameters parameters) {
    write(parameters, DType.BF16);
  }

  /** Writes everything, the weights as {@code dtype} (BF16 or F32). */
  void write(FlatParameters parameters, DType dtype) {
    try {
      Files.deleteIfExists(directory.resolve("config.json"));
      weights(parameters, dtype);
      text("tokenizer.json", TokenizerJson.write(vocabulary));
      text("tokenizer_config.json", TokenizerJson.writeConfig(shape.context()));
      text("generation_config.json", json(generation()));
      text("config.json", json(config(dtype)));
    } catch (IOException e) {
      throw new TrainException(
          "cannot write the model to " + directory + ": " + TrainException.reason(e), e);
    }
  }

  private void weights(FlatParameters parameters, DType dtype) {
    List<TensorSpec> specs =
        parameters.slots().values().stream()
            .map(slot -> new TensorSpec(slot.name(), dtype, slot.shape()))
            .toList();
    Path file = directory.resolve("model.safetensors");
    try (SafetensorsWriter out =
        SafetensorsWriter.create(file, specs, SafetensorsWriter.METADATA)) {
      for (FlatParameters.Slot slot : parameters.slots().values()) {
        try (Arena arena = Arena.ofConfined()) {
          Tensor tensor = Tensor.ofFloats(arena, parameters.read(slot), slot.shape());
          out.write(slot.name(), tensor.to(dtype, arena));
        }
      }
      out.finish();
    }
  }

  private Map<String, Object> config(DType dtype) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("architectures", List.of("LlamaForCausalLM"));
    config.put("model_type", "llama");
    config.put("vocab_size", shape.vocabSize());
    config.put("hidden_size", shape.hidden());
    config.put("intermediate_size", shape.intermediate());
    config.put("num_hidden_layers", shape.layers());
    config.put("num_attention_heads", shape.heads());
    config.put("num_key_value_heads", shape.kvHeads());
    config.put("head_dim", shape.headDim());
    config.put("max_position_embeddings", shape.context());
    config.put("hidden_act", "silu");
    config.put("rms_norm_eps", shape.normEps());
    config.put("rope_theta", shape.ropeTheta());
    config.put("attention_bias", false);
    config.put("mlp_bias", false);
    config.put("tie_word_embeddings", shape.tiedEmbeddings());
    config.put("initializer_range", 0.02);
    config.put("use_cache", true);
    config.put("torch_dtype", dtype == DType.F32 ? "float32" : "bfloat16");
    config.putAll(generation());
    return config;
  }

  private Map<String, Object> generation() {
    Map<String, Object> tokens = new LinkedHashMap<>();
    tokens.put("bos_token_id", vocabulary.idOf(BpeVocabulary.BEGIN));
    tokens.put("eos_token_id", vocabulary.idOf(BpeVocabulary.END));
    return tokens;
  }

  private static String json(Map<String, Object> value) {
    return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value);
  }

  private void text(String name, String content) throws IOException {
    Path target = directory.resolve(name);
    PlainFile.requireReplaceable(target);
    Path temporary = directory.resolve("." + name + ".tmp");
    Files.writeString(temporary, content + "\n");
    PlainFile.replace(temporary, target);
  }
}
