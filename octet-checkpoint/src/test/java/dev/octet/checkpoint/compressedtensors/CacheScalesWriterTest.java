package dev.octet.checkpoint.compressedtensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.CompressedTensorsWriter;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.QueryScales;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.tensor.ActivationQuant;
import dev.octet.tensor.DType;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Static cache scales of compressed-tensors, beside layers that are not quantized at all. */
class CacheScalesWriterTest {
  private static final String CONFIG =
      """
      {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16,
       "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 4,
       "num_key_value_heads": 2, "vocab_size": 10, "max_position_embeddings": 64,
       "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "torch_dtype": "bfloat16"}
      """;

  @TempDir private Path dir;
  private Path source = Path.of("");
  private Path out = Path.of("");

  @BeforeEach
  void source() throws IOException {
    source = Files.createDirectories(dir.resolve("source"));
    out = dir.resolve("out");
    Files.writeString(source.resolve("config.json"), CONFIG);
  }

  private CompressedTensorsWriter writer(boolean resume) {
    return CompressedTensorsWriter.open(out, source, WriteOptions.of(false, resume, "r"));
  }

  private void addModel(CompressedTensorsWriter writer) {
    ModelConfig config = ModelConfigs.read(source.resolve("config.json"));
    ModelLayout.plain(
        config,
        p -> {
          long[] shape = p.shape().stream().mapToLong(Long::longValue).toArray();
          writer.addDense(p.name(), Tensor.allocate(Arena.ofAuto(), DType.BF16, shape));
        });
    ModelLayout.linears(
        config,
        s ->
            writer.add(
                s.module(),
                new LinearWeights(
                    new DenseWeight(
                        Tensor.allocate(Arena.ofAuto(), DType.BF16, s.rows(), s.columns())),
                    null,
                    new ActivationQuant.None())));
  }

  static Stream<Arguments> scales() {
    return Stream.of(
        Arguments.of(DType.F8_E4M3, new float[] {0.1f}, "tensor", "float"),
        Arguments.of(DType.F8_E4M3, new float[] {0.1f, 0.3f}, "attn_head", "float"),
        Arguments.of(DType.I8, new float[] {0.7f}, "tensor", "int"),
        Arguments.of(DType.I8, new float[] {0.7f, 1.1f}, "attn_head", "int"));
  }

  @ParameterizedTest
  @MethodSource("scales")
  void scalesAreReadBackAndTheirSchemeIsSaidOnce(
      DType type, float[] key, String strategy, String codes) throws IOException {
    float[] value = key.clone();
    value[0] += 1;
    try (CompressedTensorsWriter writer = writer(false)) {
      writer.addScales(0, new KvScales(type, key, value), null);
    }
    try (CompressedTensorsWriter writer = writer(true)) {
      writer.addScales(1, new KvScales(type, value, key), null);
      addModel(writer);
      writer.finish();
    }
    try (Checkpoint c = Checkpoints.open(out)) {
      assertThat(c.format()).isEqualTo("compressed-tensors");
      assertThat(c.kvScales(0).orElseThrow().type()).isEqualTo(type);
      assertThat(c.kvScales(0).orElseThrow().key()).containsExactly(key);
      assertThat(c.kvScales(0).orElseThrow().value()).containsExactly(value);
      assertThat(c.kvScales(1).orElseThrow().key()).containsExactly(value);
      long[] shape = key.length == 1 ? new long[] {1} : new long[] {2, 1, 1};
      assertThat(c.tensor("model.layers.1.self_attn.v_scale").shape()).containsExactly(shape);
    }
    assertThat(Files.readString(out.resolve("config.json")))
        .containsPattern("\"kv_cache_scheme\" : \\{\\s*\"num_bits\" : 8,\\s*\"type\" : \"" + codes)
        .contains("\"strategy\" : \"" + strategy + "\"");
  }

  @Test
  void whatHasNoFormIsRefused() {
    float[] one = {0.5f};
    float[] channels = {1, 2, 3, 4, 5, 6, 7, 8};
    try (CompressedTensorsWriter writer = writer(false)) {
      KvScales plain = new KvScales(DType.I8, one, one);
      assertThatThrownBy(
              () -> writer.addScales(0, plain, new QueryScales(DType.I8, one, new float[0])))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("queries");
      assertThatThrownBy(
              () -> writer.addScales(0, new KvScales(DType.I8, channels, channels), null))
          .hasMessageContaining("a channel");
      assertThatThrownBy(
              () -> writer.addScales(0, new KvScales(DType.I8, one, one, one, one), null))
          .hasMessageContaining("offsets");
      writer.addScales(0, plain, null);
      assertThatThrownBy(() -> writer.addScales(1, new KvScales(DType.F8_E4M3, one, one), null))
          .hasMessageContaining("layer 1: its cache scales are of another kind");
    }
  }
}
