package dev.octet.checkpoint.compressedtensors;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.KvScales;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelConfigs;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.tensor.DType;
import dev.octet.tensor.Int4Weight;
import dev.octet.tensor.Int8Weight;
import dev.octet.tensor.QuantizedWeight;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints made here, in the layouts that the conformance cases do not hold. */
class WidthsTest {
  @TempDir private Path dir;
  private final Map<String, Tensor> tensors = new TreeMap<>();
  private final Map<String, int[][]> codes = new TreeMap<>();

  private ModelConfig config(String weights, String format, String cache) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type": "llama", "hidden_size": 40, "intermediate_size": 72,
         "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
         "head_dim": 10, "vocab_size": 8, "max_position_embeddings": 64,
         "tie_word_embeddings": true, "torch_dtype": "float32",
         "quantization_config": {"quant_method": "compressed-tensors", "format": "%s",
           "config_groups": {"group_0": {"targets": ["Linear"], "weights": {%s}}},
           "ignore": ["lm_head"], "kv_cache_scheme": %s}}
        """
            .formatted(format, weights, cache));
    return ModelConfigs.read(dir.resolve("config.json"));
  }

  private Checkpoint written(ModelConfig config) {
    ModelLayout.plain(
        config,
        p -> {
          long[] shape = p.shape().stream().mapToLong(Long::longValue).toArray();
          tensors.put(p.name(), Tensor.allocate(Arena.ofAuto(), DType.F32, shape));
        });
    SafetensorsWriter.write(dir.resolve("model.safetensors"), tensors);
    return Checkpoints.open(dir);
  }

  private void layer(ModelLayout.LinearShape shape, int bits, boolean lanes, Random random) {
    int n = (int) shape.rows();
    int k = (int) shape.columns();
    int perWord = 32 / bits;
    int words = lanes ? Math.ceilDiv(k, perWord) : Math.ceilDiv(k * bits, 32);
    Tensor packed = Tensor.allocate(Arena.ofAuto(), DType.I32, n, words);
    int[][] all = new int[n][k];
    for (int r = 0; r < n; r++) {
      for (int c = 0; c < k; c++) {
        int unsigned = random.nextInt(1 << bits);
        all[r][c] = unsigned - (1 << (bits - 1));
        long bit = lanes ? c / perWord * 32L + (long) (c % perWord) * bits : (long) c * bits;
        for (int b = 0; b < bits; b++) {
          if ((unsigned >>> b & 1) == 1) {
            long at = (r * (long) words + (bit + b) / 32) * 4;
            int word = packed.segment().get(JAVA_INT_UNALIGNED, at);
            packed.segment().set(JAVA_INT_UNALIGNED, at, word | 1 << (int) ((bit + b) % 32));
          }
        }
      }
    }
    codes.put(shape.module(), all);
    tensors.put(shape.module() + ".weight_packed", packed);
    Tensor scale = Tensor.allocate(Arena.ofAuto(), DType.F32, n, 1);
    for (int r = 0; r < n; r++) {
      scale.setFloat(r, 0.5f + r);
    }
    tensors.put(shape.module() + ".weight_scale", scale);
  }

  @ParameterizedTest
  @CsvSource({
    "1,false", "2,false", "3,false", "3,true", "4,false", "5,false", "5,true", "6,true", "7,false",
    "7,true", "8,false"
  })
  void weightsOfEveryWidthAreReadFromBothLayouts(int bits, boolean lanes) throws IOException {
    ModelConfig config =
        config(
            "\"num_bits\": %d, \"strategy\": \"channel\"".formatted(bits),
            "pack-quantized",
            "null");
    Random random = new Random(bits);
    ModelLayout.linears(config, shape -> layer(shape, bits, lanes, random));
    try (Checkpoint checkpoint = written(config)) {
      codes.forEach(
          (module, want) -> {
            QuantizedWeight weight = checkpoint.linear(module).weight();
            assertThat(weight).isInstanceOf(bits <= 4 ? Int4Weight.class : Int8Weight.class);
            float[] row = new float[(int) weight.columns()];
            for (int r = 0; r < want.length; r++) {
              weight.dequantizeRow(r, row);
              for (int c = 0; c < row.length; c++) {
                assertThat(row[c]).as(module).isEqualTo(want[r][c] * (0.5f + r));
              }
            }
          });
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"k_scale", "k_proj.k_scale", "k_proj.output_scale", "attn.k_scale", "kv_scale"})
  void cacheScalesAreFoundUnderEveryName(String name) throws IOException {
    ModelConfig config =
        config(
            "\"num_bits\": 8, \"strategy\": \"channel\"",
            "pack-quantized",
            "{\"num_bits\": 8, \"type\": \"int\", \"strategy\": \"attn_head\"}");
    Random random = new Random(1);
    ModelLayout.linears(config, shape -> layer(shape, 8, false, random));
    String prefix = "model.layers.0.self_attn.";
    Tensor scales = Tensor.ofFloats(new float[] {0.25f, 0.5f}, 2, 1, 1);
    tensors.put(prefix + name, scales);
    tensors.put(prefix + name.replace("k_", "v_").replace("vv_", "kv_"), scales);
    try (Checkpoint checkpoint = written(config)) {
      KvScales kv = checkpoint.kvScales(0).orElseThrow();
      assertThat(kv.type()).isEqualTo(DType.I8);
      assertThat(kv.key()).containsExactly(0.25f, 0.5f);
      assertThat(kv.value()).containsExactly(0.25f, 0.5f);
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {0f, -1f, Float.NaN, Float.POSITIVE_INFINITY})
  void scalesThatAreNotPositiveAndFiniteAreRefused(float bad) throws IOException {
    ModelConfig config =
        config("\"num_bits\": 4, \"strategy\": \"channel\"", "pack-quantized", "null");
    Random random = new Random(1);
    ModelLayout.linears(config, shape -> layer(shape, 4, false, random));
    String name = "model.layers.0.mlp.down_proj.weight_scale";
    Objects.requireNonNull(tensors.get(name)).setFloat(7, bad);
    assertThatThrownBy(() -> written(config))
        .hasMessageContaining(name)
        .hasMessageContaining("index 7");
  }
}
