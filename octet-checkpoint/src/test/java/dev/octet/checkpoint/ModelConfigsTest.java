package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The configs are those of the published models, shortened to the fields that matter here. */
class ModelConfigsTest {
  private static final String LLAMA_3_2_1B =
      """
      {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
       "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": 64,
       "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
       "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
       "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
       "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
       "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
         "original_max_position_embeddings": 8192, "rope_type": "llama3"},
       "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "transformers_version": "4.45.0.dev0", "use_cache": true, "vocab_size": 128256}
      """;

  private static final String MISTRAL_7B =
      """
      {"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
       "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
       "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
       "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
       "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true,
       "vocab_size": 32000}
      """;

  private static final String QWEN2_5_05B =
      """
      {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
       "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896,
       "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21,
       "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
       "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
       "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
       "use_sliding_window": false, "vocab_size": 151936}
      """;

  private static final String QWEN3_06B =
      """
      {"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "bos_token_id": 151643,
       "dtype": "bfloat16", "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
       "hidden_size": 1024, "intermediate_size": 3072,
       "layer_types": ["full_attention", "full_attention", "full_attention"],
       "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
       "num_attention_heads": 16, "num_hidden_layers": 3, "num_key_value_heads": 8,
       "rms_norm_eps": 1e-06,
       "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"},
       "sliding_window": null, "tie_word_embeddings": true, "transformers_version": "5.0.0",
       "use_cache": true, "use_sliding_window": false, "vocab_size": 151936}
      """;

  @TempDir private Path dir;

  private ModelConfig read(String json) {
    try {
      return ModelConfigs.read(Files.writeString(dir.resolve("config.json"), json));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void llamaThreeIsReadWithItsRopeScalingAndThreeEndTokens() {
    ModelConfig c = read(LLAMA_3_2_1B);
    assertThat(c.architecture()).isEqualTo(Architecture.LLAMA);
    assertThat(c.ropeScaling()).isEqualTo(new RopeScaling.Llama3(32, 1, 4, 8192));
    assertThat(c.ropeTheta()).isEqualTo(500_000);
    assertThat(c.eosTokenIds()).containsExactly(128001, 128008, 128009);
    assertThat(c.groupSize()).isEqualTo(4);
    assertThat(c.tiedEmbeddings()).isTrue();
    assertThat(c.qkvBias() || c.outputBias() || c.mlpBias() || c.qkNorm()).isFalse();
    assertThat(c.windows()).containsOnly(0).hasSize(16);
    assertThat(c.dtype()).isEqualTo(DType.BF16);
  }

  @Test
  void mistralSlidesInEveryLayerUnlessItsWindowIsNull() {
    ModelConfig c = read(MISTRAL_7B);
    assertThat(c.headDim()).isEqualTo(128);
    assertThat(c.windows()).containsOnly(4096).hasSize(32);
    ModelConfig later =
        read(MISTRAL_7B.replace("\"sliding_window\": 4096", "\"sliding_window\": null"));
    assertThat(later.windows()).containsOnly(0);
  }

  @Test
  void qwenTwoHasBiasesOnQkvOnlyAndSlidesOnlyWhenTold() {
    ModelConfig c = read(QWEN2_5_05B);
    assertThat(c.qkvBias()).isTrue();
    assertThat(c.outputBias()).isFalse();
    assertThat(c.windows()).containsOnly(0);
    ModelConfig sliding =
        read(QWEN2_5_05B.replace("\"use_sliding_window\": false", "\"use_sliding_window\": true"));
    assertThat(sliding.windows().subList(0, 21)).containsOnly(0);
    assertThat(sliding.windows().subList(21, 24)).containsOnly(32768);
  }

  @Test
  void qwenThreeIsReadInTheNewerDialect() {
    ModelConfig c = read(QWEN3_06B);
    assertThat(c.qkNorm()).isTrue();
    assertThat(c.ropeTheta()).isEqualTo(1_000_000);
    assertThat(c.ropeScaling()).isEqualTo(new RopeScaling.Default());
    assertThat(c.headDim()).isEqualTo(128);
    assertThat(c.dtype()).isEqualTo(DType.BF16);
    String typed =
        QWEN3_06B
            .replace("[\"full_attention\", ", "[\"sliding_attention\", ")
            .replace("\"use_sliding_window\": false", "\"use_sliding_window\": true")
            .replace("\"sliding_window\": null", "\"sliding_window\": 512");
    assertThat(read(typed).windows()).containsExactly(512, 0, 0);
    assertThat(read(QWEN3_06B.replace("\"head_dim\": 128,", "")).headDim()).isEqualTo(128);
  }

  @Test
  void absentFieldsTakeTheDefaultsOfTransformers() {
    ModelConfig c =
        read(
            """
            {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
             "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 100,
             "max_position_embeddings": 128}
            """);
    assertThat(c.kvHeads()).isEqualTo(4);
    assertThat(c.headDim()).isEqualTo(16);
    assertThat(c.ropeTheta()).isEqualTo(10_000);
    assertThat(c.rmsNormEps()).isEqualTo(1e-6);
    assertThat(c.dtype()).isEqualTo(DType.F32);
    assertThat(c.bosTokenId()).isEqualTo(-1);
    assertThat(c.eosTokenIds()).isEmpty();
    assertThat(c.tiedEmbeddings()).isFalse();
  }

  @Test
  void everyRopeScalingIsReadInBothSpellings() {
    assertThat(rope("{\"type\": \"linear\", \"factor\": 4}"))
        .isEqualTo(new RopeScaling.LinearScaling(4));
    assertThat(rope("{\"rope_type\": \"dynamic\", \"factor\": 2.0}"))
        .isEqualTo(new RopeScaling.Dynamic(2, 131072));
    assertThat(
            rope(
                "{\"rope_type\": \"yarn\", \"type\": \"yarn\", \"factor\": 4.0,"
                    + " \"original_max_position_embeddings\": 32768}"))
        .isEqualTo(new RopeScaling.Yarn(4, 32768, 32, 1, null, null, null, true));
    assertThat(
            rope(
                "{\"rope_type\": \"yarn\", \"original_max_position_embeddings\": 32768,"
                    + " \"attention_factor\": 1.5, \"truncate\": false}"))
        .isEqualTo(new RopeScaling.Yarn(4, 32768, 32, 1, 1.5, null, null, false));
    assertThat(rope("{}")).isEqualTo(new RopeScaling.Default());
  }

  private RopeScaling rope(String block) {
    int from = LLAMA_3_2_1B.indexOf("{\"factor\"");
    int to = LLAMA_3_2_1B.indexOf('}', from) + 1;
    return read(LLAMA_3_2_1B.substring(0, from) + block + LLAMA_3_2_1B.substring(to)).ropeScaling();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          partial_rotary_factor|0.5
          attn_logit_softcapping|50.0
          final_logit_softcapping|30.0
          logit_scale|0.0625
          residual_multiplier|0.22
          embedding_multiplier|12
          attention_multiplier|0.0078125
          logits_scaling|8
          query_pre_attn_scalar|256
          num_experts|8
          num_local_experts|8
          n_routed_experts|64
          clip_qkv|8.0
          alibi|true
          sliding_window|1024
          hidden_act|"gelu"
          hidden_activation|"gelu_pytorch_tanh"
          torch_dtype|"float8_e4m3fn"
          architectures|["LlamaForSequenceClassification"]
          model_type|"gemma2"
          text_config|{"model_type": "llama"}
          no_rope_layers|[1, 0]
          layer_types|["chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention","chunked_attention"]
          """)
  void whatChangesTheResultAndIsNotBuiltIsRefusedByName(String field, String value) {
    assertThatThrownBy(() -> read(with(field, value)))
        .isInstanceOf(UnsupportedCheckpointException.class)
        .hasMessageContaining("config.json: field '" + field + "'");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          partial_rotary_factor|1.0
          attn_logit_softcapping|null
          residual_multiplier|1
          num_experts|0
          alibi|false
          pretraining_tp|2
          attention_dropout|0.1
          use_cache|false
          a_field_of_tomorrow|{"a": [1]}
          """)
  void whatChangesNothingIsIgnored(String field, String value) {
    assertThat(read(with(field, value))).isEqualTo(read(LLAMA_3_2_1B));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          hidden_size|0
          hidden_size|-2048
          hidden_size|2048.5
          hidden_size|"2048"
          hidden_size|1e3
          hidden_size|99999999999999999999
          num_hidden_layers|2147483647
          num_hidden_layers|0
          num_attention_heads|0
          num_key_value_heads|5
          head_dim|63
          head_dim|0
          vocab_size|0
          vocab_size|2147483647
          intermediate_size|-1
          rms_norm_eps|0
          rms_norm_eps|-1e-5
          rms_norm_eps|1e999
          rms_norm_eps|"1e-5"
          rope_theta|0
          rope_theta|-5
          rope_scaling|{"rope_type": "linear"}
          rope_scaling|{"rope_type": "linear", "factor": 0.5}
          rope_scaling|{"rope_type": "linear", "type": "yarn", "factor": 2}
          rope_scaling|{"factor": 2}
          rope_scaling|{"rope_type": "linear", "factor": 2, "alpha": 3}
          rope_scaling|{"rope_type": "llama3", "factor": 2}
          rope_scaling|{"rope_type": "longrope", "factor": 2}
          rope_scaling|[1]
          rope_parameters|{"rope_type": "default"}
          tie_word_embeddings|1
          eos_token_id|"</s>"
          eos_token_id|[1.5]
          max_position_embeddings|0
          model_type|5
          """)
  void impossibleValuesAreRefusedByName(String field, String value) {
    assertThatThrownBy(() -> read(with(field, value)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("config.json")
        .hasMessageContaining(field.startsWith("rope_s") ? "rope_scaling" : field);
  }

  private static String with(String field, String value) {
    String entry = "\"%s\": ".formatted(field);
    // The first version of a field is cut out, for duplicate keys are refused.
    String json =
        LLAMA_3_2_1B.replaceAll("\"" + field + "\": (\\{[^}]*\\}|\\[[^\\]]*\\]|[^,}]*),?", "");
    return "{" + entry + value + ", " + json.strip().substring(1).replaceAll(",\\s*\\}$", "}");
  }

  @Test
  void duplicateKeysAreRefused() {
    assertThatThrownBy(() -> read("{\"model_type\": \"llama\", \"model_type\": \"qwen2\"}"))
        .hasMessageContaining("uplicate");
  }

  /** Python writes them. */
  @Test
  void numbersThatJsonDoesNotHaveAreRefusedWithTheirField() {
    for (String value : new String[] {"NaN", "Infinity", "-Infinity"}) {
      assertThatThrownBy(() -> read("{\"model_type\": \"llama\", \"rms_norm_eps\": " + value + "}"))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContainingAll(
              "config.json: not valid JSON: ", value, "write a finite one", "field 'rms_norm_eps'");
    }
  }

  @Test
  void textAfterTheDocumentIsRefused() {
    assertThatThrownBy(() -> read(LLAMA_3_2_1B + "{}")).isInstanceOf(CheckpointException.class);
  }
}
