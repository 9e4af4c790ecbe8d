package dev.octet.bench;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.checkpoint.gguf.GgufType;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.GgufQuantizer;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.WeightRounding;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/** Tiny models in every format, made of random weights: what fuzzing starts from. */
final class FuzzModels {
  private static final String CONFIG =
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32,
       "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
       "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "hidden_act": "silu",
       "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16", "bos_token_id": 1,
       "eos_token_id": 2}
      """;

  private FuzzModels() {}

  /** The formats in a folder of their own below {@code root}, by name; the first is dense. */
  static SequencedMap<String, Path> write(Path root) throws IOException {
    SequencedMap<String, Path> models = new LinkedHashMap<>();
    Path dense = root.resolve("dense");
    Files.createDirectories(dense);
    Files.writeString(dense.resolve("config.json"), CONFIG);
    ModelConfig config = ModelConfigs.read(dense.resolve("config.json"));
    RandomCheckpoint.write(dense, config);
    models.put("dense", dense);
    quantized(models, dense, "ct-w8a8", QuantScheme.W8A8, WriteFormat.COMPRESSED_TENSORS);
    quantized(
        models, dense, "ct-w4a16", QuantScheme.W4A16.withGroup(16), WriteFormat.COMPRESSED_TENSORS);
    quantized(models, dense, "ct-fp8", QuantScheme.FP8, WriteFormat.COMPRESSED_TENSORS);
    quantized(models, dense, "gptq", QuantScheme.W4A16_ASYM.withGroup(16), WriteFormat.GPTQ);
    quantized(models, dense, "awq", QuantScheme.W4A16_ASYM.withGroup(16), WriteFormat.AWQ);
    quantized(models, dense, "fp8-block", QuantScheme.FP8_BLOCK, WriteFormat.FP8);
    quantized(models, dense, "ascend", QuantScheme.W8A8, WriteFormat.ASCEND);
    models.put("modelopt", modelOpt(root, root.resolve("ct-fp8")));
    Path gguf = root.resolve("m.gguf");
    quantized(models, dense, "ct-w8a16", QuantScheme.W8A16, WriteFormat.COMPRESSED_TENSORS);
    GgufQuantizer.run(dense, gguf, GgufType.Q8_0, List.of(), false, Progress.NONE);
    models.put("gguf", gguf);
    return models;
  }

  private static void quantized(
      Map<String, Path> models, Path dense, String name, QuantScheme scheme, WriteFormat format) {
    Path out = dense.resolveSibling(name);
    CheckpointQuantizer.run(
        dense,
        out,
        null,
        QuantizeOptions.of(scheme),
        WeightRounding.NEAREST,
        WriteOptions.of(false, false, "").as(format),
        Progress.NONE);
    models.put(name, out);
  }

  /** The tensors of per-tensor FP8, with static inputs, under ModelOpt's settings. */
  private static Path modelOpt(Path root, Path fp8) throws IOException {
    Path out = Files.createDirectories(root.resolve("modelopt"));
    Map<String, Tensor> tensors = new TreeMap<>();
    try (Checkpoint source = Checkpoints.open(fp8)) {
      tensors.putAll(source.tensors());
      for (String name : List.copyOf(tensors.keySet())) {
        if (name.endsWith(".weight_scale")) {
          tensors.put(
              name.replace("weight_scale", "input_scale"), Tensor.ofFloats(new float[] {1}, 1));
        }
      }
      SafetensorsWriter.write(out.resolve("model.safetensors"), tensors);
    }
    Files.writeString(out.resolve("config.json"), CONFIG);
    Files.writeString(
        out.resolve("hf_quant_config.json"),
        """
        {"producer": {"name": "modelopt", "version": "0.1"},
         "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": null,
          "exclude_modules": ["lm_head"]}}
        """);
    return out;
  }
}
