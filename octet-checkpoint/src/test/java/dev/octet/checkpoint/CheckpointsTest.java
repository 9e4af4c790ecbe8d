package dev.octet.checkpoint;

import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointsTest {
  @TempDir Path dir;

  @Test
  void everyBrokenConformanceDirectoryIsRefusedOnOneLine() {
    List<Path> cases = Shared.cases("bad_dir_");
    assertThat(cases).hasSizeGreaterThan(35);
    for (Path c : cases) {
      assertThatThrownBy(() -> Checkpoints.open(c.resolve("model")).close())
          .as(c.getFileName().toString())
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(c.resolve("model").toString())
          .message()
          .doesNotContain("\n");
    }
  }

  @Test
  void refusalsNameTheTrueReason() {
    Shared.require();
    Map<String, String> reasons =
        Map.ofEntries(
            Map.entry("config_array", "must hold a JSON object"),
            Map.entry("config_bad_json", "not valid JSON"),
            Map.entry("config_deep", "epth"),
            Map.entry("config_missing", "no such file"),
            Map.entry("ct_infinite_scale", "the scale Infinity"),
            Map.entry("ct_missing_scale", "weight_scale' is missing"),
            Map.entry("ct_negative_shape", "weight_shape' says"),
            Map.entry("ct_weight_shape", "weight_shape' says"),
            Map.entry("gptq_bits", "is 5"),
            Map.entry("gptq_group_zero", "group_size"),
            Map.entry("gptq_bits_mismatch", "qweight' is I32[2, 16], expected I32 [4, 16]"),
            Map.entry("gptq_g_idx_negative", "g_idx' puts input 0 into group -1 of 2"),
            Map.entry("gptq_g_idx_range", "g_idx' puts input 0 into group 99 of 2"),
            Map.entry("gptq_nan_scale", "scales' holds the scale NaN at index 3"),
            Map.entry("ascend_missing_deq", "q_proj.deq_scale' is missing"),
            Map.entry("ascend_nan_deq", "deq_scale' holds the scale NaN"),
            Map.entry("ascend_unknown_tag", "unknown quantization 'W1A1'"),
            Map.entry("ascend_untagged", "is stored, but quant_model_description.json does not"),
            Map.entry("ascend_version", "banana"),
            Map.entry("ascend_zero_input_scale", "input_scale' holds the scale 0.0"),
            Map.entry("heads_not_divisible", "num_key_value_heads"),
            Map.entry("hidden_mismatch", "expected shape [32, 32]"),
            Map.entry("huge_layers", "num_hidden_layers"),
            Map.entry("index_bad_json", "not valid JSON"),
            Map.entry("index_ghost", "though the index says so"),
            Map.entry("index_no_map", "weight_map"),
            Map.entry("inter_mismatch", "mlp.gate_proj.weight"),
            Map.entry("missing_shard", "is missing"),
            Map.entry("missing_tensor", "k_proj.weight' is missing"),
            Map.entry("negative_layers", "num_hidden_layers"),
            Map.entry("path_absolute", "plain"),
            Map.entry("path_backslash", "plain"),
            Map.entry("path_parent", "plain"),
            Map.entry("too_many_layers", "model.layers.1"),
            Map.entry("transposed_tensor", "k_proj.weight"),
            Map.entry("unknown_model_type", "no_such_model"),
            Map.entry("unknown_quant_method", "no_such_method"),
            Map.entry("unknown_rope", "no_such_rope"),
            Map.entry("vocab_mismatch", "embed_tokens"),
            Map.entry("zero_heads", "num_attention_heads"));
    reasons.forEach(
        (name, reason) ->
            assertThatThrownBy(
                    () -> Checkpoints.open(Shared.path("conformance/bad_dir_" + name + "/model")))
                .as(name)
                .hasMessageContaining(reason));
  }

  @Test
  void theUnbrokenDirectoriesBehindThemLoad() {
    for (String name : List.of("ok_tiny_dense", "ok_tiny_ct", "ok_tiny_ascend", "ok_tiny_gptq")) {
      try (Checkpoint c = Checkpoints.open(Shared.path("conformance/" + name + "/model"))) {
        assertThat(c.config().layers()).isEqualTo(1);
        assertThat(c.linear("model.layers.0.mlp.up_proj").weight().rows()).isEqualTo(16);
      }
    }
  }

  @Test
  void denseModelsOfEveryFamilyLoad() {
    for (String name :
        List.of(
            "llama_bf16_sharded",
            "llama_bias_f16",
            "llama_gqa4_f16",
            "llama_rope_dynamic",
            "llama_rope_linear",
            "llama_rope_llama3",
            "llama_tied_f32",
            "mistral_window_bf16",
            "qwen2_bf16",
            "qwen3_bf16",
            "qwen3_yarn_bf16")) {
      try (Checkpoint c = Checkpoints.open(Shared.path("conformance/" + name + "/model"))) {
        assertThat(c.format()).isEqualTo("dense");
        assertThat(c.linear("lm_head").weight().rows()).isEqualTo(c.config().vocabSize());
        boolean bias = c.linear("model.layers.1.self_attn.q_proj").bias() != null;
        assertThat(bias).as(name).isEqualTo(c.config().qkvBias());
        assertThat(c.kvScales(0)).isEmpty();
      }
    }
  }

  @Test
  void otherFormatsAreNamedNotMisread() {
    Shared.require();
    Map<String, String> names =
        Map.of(
            "mixtral_bf16", "mixtral",
            "deepseek_v3_bf16", "deepseek_v3");
    names.forEach(
        (name, format) ->
            assertThatThrownBy(
                    () -> Checkpoints.open(Shared.path("conformance/" + name + "/model")))
                .as(name)
                .isInstanceOf(UnsupportedCheckpointException.class)
                .hasMessageContaining(format));
  }

  @Test
  void linksOutOfTheDirectoryAreRefusedButNotThoseOfTheHuggingFaceCache() throws IOException {
    Path source = Shared.path("conformance/ok_tiny_dense/model");
    Path outside = Files.createDirectories(dir.resolve("elsewhere"));
    Path model = Files.createDirectories(dir.resolve("model"));
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(source.resolve(name), outside.resolve(name));
    }
    Files.copy(source.resolve("config.json"), model.resolve("config.json"));
    Files.createSymbolicLink(
        model.resolve("model.safetensors"), outside.resolve("model.safetensors"));
    assertThatThrownBy(() -> Checkpoints.open(model)).hasMessageContaining("symbolic link");

    Path blobs = Files.createDirectories(dir.resolve("hub/models--a--b/blobs"));
    Path snapshot = Files.createDirectories(dir.resolve("hub/models--a--b/snapshots/123"));
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(source.resolve(name), blobs.resolve(name + "-hash"));
      Files.createSymbolicLink(
          snapshot.resolve(name), Path.of("../../blobs").resolve(name + "-hash"));
    }
    Checkpoints.open(snapshot).close();
  }

  @Test
  void aTensorInTwoShardsIsRefused() throws IOException {
    Path source = Shared.path("conformance/llama_bf16_sharded/model");
    copy(source, dir);
    Path third = dir.resolve("model-00003-of-00003.safetensors");
    Files.copy(dir.resolve("model-00001-of-00003.safetensors"), third, REPLACE_EXISTING);
    assertThatThrownBy(() -> Checkpoints.open(dir)).isInstanceOf(CheckpointException.class);
    Path index = dir.resolve("model.safetensors.index.json");
    Files.writeString(index, Files.readString(index).replace("00003-of", "00001-of"));
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("index says so");
    copy(source, dir);
    Path second = dir.resolve("model-00002-of-00003.safetensors");
    try (SafetensorsFile one =
            SafetensorsFile.open(dir.resolve("model-00001-of-00003.safetensors"));
        SafetensorsFile two = SafetensorsFile.open(second)) {
      Map<String, Tensor> both = new TreeMap<>(two.tensors());
      both.put(one.tensors().firstKey(), one.tensors().get(one.tensors().firstKey()));
      Files.delete(second);
      SafetensorsWriter.write(second, both);
    }
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("too");
  }

  @Test
  void anIndexMustListWhatItsShardsHoldUnderNamesThatFilesCanHave() throws IOException {
    Path source = Shared.path("conformance/llama_bf16_sharded/model");
    copy(source, dir);
    Path index = dir.resolve("model.safetensors.index.json");
    String good = Files.readString(index);
    Files.writeString(index, good.replaceFirst(",\\s*\"model.norm.weight\": *\"[^\"]*\"", ""));
    assertThatThrownBy(() -> Checkpoints.open(dir))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("'model.norm.weight' is stored, but the index does not list it");
    Files.writeString(index, good.replace("model-00002-of", "\\ud800"));
    assertThatThrownBy(() -> Checkpoints.open(dir))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("no plain");
  }

  @Test
  void weightsThatTheConfigLeavesOutAreRefused() throws IOException {
    Path source = Shared.path("conformance/qwen3_bf16/model");
    copy(source, dir);
    Path config = dir.resolve("config.json");
    String good = Files.readString(config);
    Files.writeString(
        config, good.replaceFirst("\"num_hidden_layers\": *\\d+", "\"num_hidden_layers\": 1"));
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("beyond the last layer");
    Files.writeString(
        config, good.replace("qwen3", "llama").replace("Qwen3ForCausalLM", "LlamaForCausalLM"));
    assertThatThrownBy(() -> Checkpoints.open(dir))
        .hasMessageContaining("k_norm.weight' is stored, but llama models have none");
  }

  @Test
  void quantizationSettingsThatContradictTheWeightsAreRefused() throws IOException {
    refuses("ct_w4a16_sym", "\"group_size\": 32", "\"group_size\": 48", "48 does not divide");
    refuses(
        "ct_fp8_static",
        "\"symmetric\": true",
        "\"symmetric\": false",
        "floats have no zero point");
    refuses("ok_tiny_dense", "\"use_cache\"", "\"quantization\":{\"bits\":4},\"use_cache\"", "MLX");
    refuses("ok_tiny_dense", "\"rope_theta\": 10000.0", "\"rope_theta\": 1e-9", "at least 1");
  }

  private void refuses(String model, String good, String bad, String reason) throws IOException {
    Path copy = Files.createTempDirectory(dir, model);
    copy(Shared.path("conformance/" + model + "/model"), copy);
    Path config = copy.resolve("config.json");
    String text = Files.readString(config);
    assertThat(text).contains(good);
    Files.writeString(config, text.replace(good, bad));
    assertThatThrownBy(() -> Checkpoints.open(copy))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(reason);
  }

  @Test
  void filesInsteadOfDirectoriesGetAUsefulAnswer() {
    Path file = Shared.path("conformance/ok_tiny_dense/model/model.safetensors");
    assertThatThrownBy(() -> Checkpoints.open(file)).hasMessageContaining("directory");
    Path gguf = Shared.path("conformance/gguf_q8_0/model");
    for (Path path : new Path[] {gguf, gguf.resolve("model.gguf")}) {
      try (Checkpoint c = Checkpoints.open(path)) {
        assertThat(c.format()).isEqualTo("gguf");
      }
    }
    assertThatThrownBy(() -> Checkpoints.open(dir.resolve("nothing")))
        .hasMessageContaining("no such");
  }

  @Test
  void damagedConfigsAndIndexesThrowNothingButCheckpointExceptions() throws IOException {
    Random random = new Random(11);
    for (String name : List.of("llama_bf16_sharded", "ct_mixed_groups", "qwen3_yarn_bf16")) {
      Path copy = Files.createDirectories(dir.resolve(name));
      copy(Shared.path("conformance/" + name + "/model"), copy);
      for (String file : List.of("config.json", "model.safetensors.index.json")) {
        Path target = copy.resolve(file);
        if (!Files.exists(target)) {
          continue;
        }
        byte[] good = Files.readAllBytes(target);
        for (int round = 0; round < 150; round++) {
          Files.write(target, Mutations.damage(good, random));
          try (Checkpoint c = Checkpoints.open(copy)) {
            assertThat(c.tensors()).isNotEmpty();
          } catch (CheckpointException e) {
            assertThat(e.getMessage()).doesNotContain("\n");
          }
        }
        Files.write(target, good);
      }
    }
  }

  @Test
  void hostileRegularExpressionsEndQuickly() throws IOException {
    copy(Shared.path("conformance/ct_mixed_groups/model"), dir);
    Path config = dir.resolve("config.json");
    String text = Files.readString(config, StandardCharsets.UTF_8);
    Files.writeString(
        config,
        text.replace(
            "re:model\\\\.layers\\\\.0\\\\.self_attn\\\\.o_proj",
            "re:([a-z._]|[a-z._0-9])*\\\\1!"));
    assertThat(Files.readString(config)).contains("re:([a-z._]|");
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("takes too long");
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()), REPLACE_EXISTING);
      }
    }
  }

  @Test
  void endTokensOfGenerationConfigAreAdded() throws IOException {
    Path model = Shared.path("conformance/ok_tiny_dense/model");
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(model.resolve(name), dir.resolve(name));
    }
    List<Integer> own;
    try (Checkpoint plain = Checkpoints.open(dir)) {
      own = plain.config().eosTokenIds();
    }
    Files.writeString(dir.resolve("generation_config.json"), "{\"eos_token_id\": [7, 9]}");
    try (Checkpoint c = Checkpoints.open(dir)) {
      assertThat(c.config().eosTokenIds()).containsAll(own).contains(7, 9).doesNotHaveDuplicates();
    }
    Files.writeString(dir.resolve("generation_config.json"), "{");
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("generation_config.json");
  }
}
