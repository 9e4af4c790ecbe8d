package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvType;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.ScaleGranularity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OptionsTest {
  @ParameterizedTest
  @CsvSource({
    "lm_head, lm_head, true",
    "lm_head, model.lm_head, false",
    "*.down_proj, model.layers.3.mlp.down_proj, true",
    "*.down_proj, model.layers.3.mlp.down_proj2, false",
    "model.layers.?.mlp.*, model.layers.3.mlp.up_proj, true",
    "model.layers.?.mlp.*, model.layers.13.mlp.up_proj, false",
    "model.layers.1, modelXlayersX1, false",
    "re:.*self_attn, model.layers.0.self_attn.q_proj, true",
    "re:self_attn, model.layers.0.self_attn.q_proj, false"
  })
  void patternsMeanWhatTheySay(String pattern, String module, boolean matches) {
    assertThat(ModulePattern.of(pattern).matches(module)).isEqualTo(matches);
  }

  @Test
  void brokenPatternsAreRefusedWhenTheOptionsAreMade() {
    QuantizeOptions options = QuantizeOptions.of(QuantScheme.W8A8);
    assertThatThrownBy(() -> options.ignoring(List.of("re:(")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("'re:('");
    assertThatThrownBy(() -> options.ignoring(List.of(" ")))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(options.ignoring(List.of("*.o_proj")).ignore())
        .containsExactly("lm_head", "*.o_proj");
  }

  @ParameterizedTest
  @CsvSource({
    "8GiB, 8589934592",
    "8g, 8589934592",
    "512MB, 512000000",
    "512MiB, 536870912",
    "1.5 KiB, 1536",
    "123, 123",
    "2TB, 2000000000000"
  })
  void sizesAreReadAsPeopleWriteThem(String text, long bytes) {
    assertThat(MemorySize.parse(text).bytes()).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "GiB", "-1GiB", "0", "8 GiB free", "1e3", "9999999999TiB", "0x10", "8PB"})
  void whatIsNoSizeIsRefused(String text) {
    assertThatThrownBy(() -> MemorySize.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("8GiB");
  }

  @Test
  void sizesArePrintedInTheLargestUnitThatFits() {
    assertThat(MemorySize.of(1023)).hasToString("1023 bytes");
    assertThat(MemorySize.of(3L << 29)).hasToString("1.5 GiB");
  }

  @Test
  void groupsAreMadeToDivide() {
    assertThat(LayerQuantizer.dividing(QuantScheme.W4A16, 256)).isEqualTo(QuantScheme.W4A16);
    assertThat(LayerQuantizer.dividing(QuantScheme.W4A16, 96).group()).isEqualTo(32);
    assertThat(LayerQuantizer.dividing(QuantScheme.W4A16, 172).granularity())
        .isEqualTo(ScaleGranularity.CHANNEL);
    assertThat(LayerQuantizer.dividing(QuantScheme.W8A8, 172)).isEqualTo(QuantScheme.W8A8);
  }

  @Test
  void theVerdictTurnsAtOneAndAtTwoPerCentAndNamesARemedy() {
    assertThat(verdict(10.0999, QuantScheme.W8A8).level()).isEqualTo(Verdict.Level.FINE);
    assertThat(verdict(9.9, QuantScheme.W8A8).level()).isEqualTo(Verdict.Level.FINE);
    assertThat(verdict(10.15, QuantScheme.W8A8).level()).isEqualTo(Verdict.Level.ACCEPTABLE);
    for (String name : QuantScheme.names()) {
      Verdict poor = verdict(10.21, QuantScheme.of(name));
      assertThat(poor.level()).isEqualTo(Verdict.Level.POOR);
      assertThat(poor.toString()).startsWith("+2.10 % more than 2 %: ").contains("try");
    }
    assertThatThrownBy(() -> verdict(Double.NaN, QuantScheme.W8A8))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static Verdict verdict(double after, QuantScheme scheme) {
    return Verdict.of(10, after, scheme, AttentionKind.BF16, KvType.BF16);
  }

  @Test
  void theVerdictOfACacheOrAnAttentionNamesAnotherOfTheSame() {
    for (KvType cache : List.of(KvType.INT8, KvType.INT4, KvType.FP8_E4M3, KvType.FP8_E5M2)) {
      assertThat(Verdict.of(10, 10.3, null, AttentionKind.BF16, cache).advice())
          .startsWith("more than 2 %: try --kv-cache-dtype ")
          .doesNotContain(cache.label());
    }
    for (AttentionKind kind : AttentionKind.values()) {
      assertThat(Verdict.of(10, 10.15, null, kind, KvType.BF16).advice())
          .startsWith("acceptable; if it matters, try --attention ")
          .doesNotContain("--attention " + kind.label() + ";");
    }
    assertThat(Verdict.of(10, 11, QuantScheme.W8A8, AttentionKind.INT8, KvType.FP8_E5M2).advice())
        .contains("w8a16", "--kv-cache-dtype int8", "--attention int8-bf16");
    assertThat(Verdict.of(10, 10, null, AttentionKind.INT8, KvType.INT8).advice())
        .isEqualTo("fine: under 1 %");
  }

  @Test
  void memoryOfALlamaThreeOneEightBIsWhatItsShapeSays(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("config.json");
    Files.writeString(
        file,
        """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096,
         "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
         "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
         "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
        """);
    ModelConfig config = ModelConfigs.read(file);
    List<MemoryEstimate> table =
        MemoryEstimate.table(config, 8192, KvType.BF16, null, OuterSchemes.NONE);
    MemoryEstimate plain = table.getFirst();
    assertThat(plain.weightBytes()).isEqualTo(2L * 8_030_261_248L);
    assertThat(plain.kvBytes()).isEqualTo(1L << 30);
    assertThat(plain.totalBytes()).isBetween((long) (1.2 * 17.1e9), (long) (1.2 * 17.2e9));
    assertThat(MemoryEstimate.recommend(table, MemorySize.parse("24GiB"))).contains(plain);
    assertThat(MemoryEstimate.recommend(table, MemorySize.parse("12GiB")).orElseThrow().name())
        .isEqualTo("w8a16");
    assertThat(MemoryEstimate.recommend(table, MemorySize.parse("8GiB")).orElseThrow().name())
        .startsWith("w4a16");
    assertThat(MemoryEstimate.recommend(table, MemorySize.parse("2GiB"))).isEmpty();
  }

  @Test
  void anOuterLayerCountsInTheTypeItIsQuantizedTo() {
    ModelConfig small = ModelConfigs.read(Shared.path("models/stories260K").resolve("config.json"));
    assertThat(small.tiedEmbeddings()).isTrue();
    QuantizeOptions options = QuantizeOptions.of(QuantScheme.W4A16);
    long table = (long) small.vocabSize() * small.hiddenSize();
    long before = MemoryEstimate.weightBytes(small, options);
    long after =
        MemoryEstimate.weightBytes(small, options, new OuterSchemes(QuantScheme.W8A16, null));
    int elementBytes = small.dtype().bits() / 8;
    assertThat(before - after)
        .isEqualTo((elementBytes - 1) * table - 4L * small.vocabSize())
        .isPositive();
    OuterSchemes both = new OuterSchemes(QuantScheme.W8A16, QuantScheme.W8A16);
    assertThatThrownBy(() -> MemoryEstimate.weightBytes(small, options, both))
        .hasMessageContaining("tie_word_embeddings");
  }

  @Test
  void memoryOfTheCacheCountsWholeBlocksScalesAndTokensBeyondTheWindow(@TempDir Path dir)
      throws IOException {
    Path file = dir.resolve("config.json");
    Files.writeString(
        file,
        """
        {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "hidden_size": 256,
         "intermediate_size": 512, "num_hidden_layers": 3, "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": 100, "max_position_embeddings": 1024,
         "rms_norm_eps": 1e-5, "sliding_window": 32, "torch_dtype": "bfloat16"}
        """);
    ModelConfig config = ModelConfigs.read(file);
    for (KvType kv : List.of(KvType.INT8, KvType.FP8_E4M3, KvType.FP8_E5M2)) {
      assertThat(MemoryEstimate.table(config, 65, kv, null, OuterSchemes.NONE).getFirst().kvBytes())
          .as(kv.toString())
          .isEqualTo(128L * 3 * 2 * (2 * 64 + 2 * Float.BYTES));
    }
    assertThat(
            MemoryEstimate.table(config, 65, KvType.INT4, null, OuterSchemes.NONE)
                .getFirst()
                .kvBytes())
        .isEqualTo(128L * 3 * 2 * (2 * 32 + 2 * (Float.BYTES + 1)));
    assertThat(
            MemoryEstimate.table(config, 65, KvType.BF16, null, OuterSchemes.NONE)
                .getFirst()
                .kvBytes())
        .isEqualTo(128L * 3 * 2 * 2 * 64 * 2);
  }

  @Test
  void patternsThatMeanNoLayerAreFound() {
    ModelConfig config =
        ModelConfigs.read(Shared.path("models/stories260K").resolve("config.json"));
    assertThat(
            QuantizeOptions.unmatched(
                List.of("lm_head", "*.down_proj", "re:model\\.layers\\.0", "*.donw_proj", "norm"),
                config))
        .containsExactly("*.donw_proj", "norm");
  }

  @Test
  void availableMemoryIsReadWhereTheKernelSaysIt() {
    assertThat(HostMemory.parse("MemTotal:  9 kB\nMemAvailable:    2048 kB\nX: 1 kB\n"))
        .hasValue(2048 * 1024);
    assertThat(HostMemory.parse("MemTotal:  9 kB\n")).isEmpty();
    assertThat(HostMemory.available().bytes()).isBetween(1L, HostMemory.total().bytes());
  }

  @Test
  void perplexityOptionsSayWhichOneIsWrongAndWhatWouldWork() {
    assertThatThrownBy(() -> PerplexityOptions.fixed(1, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("context must be at least 2");
    assertThatThrownBy(() -> new PerplexityOptions(0, -1, 0, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("stride must be at least 0, not -1");
  }
}
