package dev.octet.quantize.rotate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.checkpoint.WeightSource;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.checkpoint.WriteOptions;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.quantize.WeightRounding;
import dev.octet.tensor.DType;
import dev.octet.tensor.InputMatrix;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RotationTest {
  private static final int[] IDS = IntStream.range(0, 40).map(i -> i * i % 61).toArray();
  private static final QuantizeOptions NOTHING =
      QuantizeOptions.of(QuantScheme.W8A8).ignoring(List.of("*"));
  private static final RotationOptions ROTATION = new RotationOptions(4);

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("vector", 2);

  @AfterEach
  void close() {
    kernels.close();
  }

  private float[] logits(WeightSource source) {
    try (CausalLm model = CausalLm.load(source, kernels, RunOptions.exact());
        KvCache cache = model.newCache()) {
      return model.forward(IDS, cache, false).toFloats();
    }
  }

  /** Largest difference relative to the largest logit. */
  private static double distance(float[] got, float[] wanted) {
    double off = 0;
    double size = 0;
    for (int i = 0; i < wanted.length; i++) {
      off = Math.max(off, Math.abs((double) got[i] - wanted[i]));
      size = Math.max(size, Math.abs(wanted[i]));
    }
    return off / size;
  }

  private Path write(Path in, Path out) {
    CheckpointQuantizer.run(
        in,
        out,
        ROTATION,
        NOTHING,
        WeightRounding.NEAREST,
        WriteOptions.of(false, false, ""),
        Progress.NONE);
    return out;
  }

  @ParameterizedTest
  @ValueSource(strings = {RandomModel.LLAMA, RandomModel.QWEN2, RandomModel.QWEN3})
  void aRotatedModelComputesTheSame(String config) throws IOException {
    Path model = RandomModel.write(dir.resolve("model"), config);
    try (Checkpoint source = Checkpoints.open(model)) {
      float[] wanted = logits(source);
      WeightSource rotated = ROTATION.of(source, NOTHING);
      assertThat(distance(logits(rotated), wanted)).isLessThan(1e-5);
      String query = "model.layers.1.self_attn.q_proj";
      assertThat(rotated.linear(query).weight()).isNotEqualTo(source.linear(query).weight());
      assertThat(rotated.tensor("model.layers.0.input_layernorm.weight").toFloats())
          .containsOnly(1);
    }
  }

  /** An ordinary unquantized checkpoint, its head its own, with the very weights of the source. */
  @ParameterizedTest
  @ValueSource(strings = {RandomModel.LLAMA, RandomModel.QWEN2, RandomModel.QWEN3})
  void whatIsStoredIsAnOrdinaryModel(String config) throws IOException {
    Path model = RandomModel.write(dir.resolve("model"), config);
    Path out = write(model, dir.resolve("rotated"));
    try (Checkpoint source = Checkpoints.open(model);
        Checkpoint stored = Checkpoints.open(out)) {
      assertThat(stored.format()).isEqualTo("dense");
      assertThat(stored.config().tiedEmbeddings()).isFalse();
      assertThat(stored.tensors()).containsKey("lm_head.weight");
      assertThat(logits(stored)).isEqualTo(logits(ROTATION.of(source, NOTHING)));
      assertThat(distance(logits(stored), logits(source))).isLessThan(1e-5);
    }
  }

  @Test
  void embeddingRowsAreThoseOfTheWholeRoundedAlike() throws IOException {
    Path model =
        RandomModel.write(dir.resolve("model"), RandomModel.LLAMA.replace("float32", "bfloat16"));
    Path narrow = dir.resolve("model/model.safetensors");
    Map<String, Tensor> tensors = new TreeMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(narrow)) {
      file.tensors()
          .forEach((name, tensor) -> tensors.put(name, tensor.to(DType.BF16, Arena.ofAuto())));
    }
    SafetensorsWriter.write(narrow, tensors);
    try (Checkpoint source = Checkpoints.open(model)) {
      WeightSource rotated = ROTATION.of(source, NOTHING);
      Tensor whole = rotated.tensor("model.embed_tokens.weight");
      assertThat(whole.dtype()).isEqualTo(DType.BF16);
      float[] row = new float[48];
      for (int id = 0; id < 61; id++) {
        rotated.embedding().dequantizeRow(id, row);
        assertThat(row).isEqualTo(whole.row(id).toFloats());
      }
    }
  }

  /** Channels a hundred times larger than others are gone. */
  @Test
  void outliersOfTheNormsAndOfTheStreamAreSpreadOverAllChannels() throws IOException {
    Path model = RandomModel.write(dir.resolve("model"), RandomModel.QWEN2);
    try (Checkpoint source = Checkpoints.open(model)) {
      Tensor embedding = source.tensor("model.embed_tokens.weight");
      float[] row = embedding.row(3).toFloats();
      row[5] = 100;
      Tensor outlier = Tensor.ofFloats(row, 1, 64);
      Tensor turned =
          Folding.inputs(outlier, null, HadamardTransform.of(64, 4), DType.F32, Arena.ofAuto());
      for (float x : turned.toFloats()) {
        assertThat(x).isBetween(-16f, 16f);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {RandomModel.LLAMA, RandomModel.QWEN2, RandomModel.QWEN3})
  void turningInputsOnlineChangesNothingEither(String config) throws IOException {
    Path model = RandomModel.write(dir.resolve("model"), config);
    RotationOptions online = new RotationOptions(4, true);
    QuantizeOptions w8a16 = QuantizeOptions.of(QuantScheme.W8A16);
    try (Checkpoint source = Checkpoints.open(model)) {
      WeightSource turned = online.of(source, w8a16);
      String down = "model.layers.1.mlp.down_proj";
      int width = source.config().intermediateSize();
      assertThat(turned.linear(down).inputMatrix())
          .isEqualTo(new InputMatrix.Hadamard(Integer.lowestOneBit(width)));
      assertThat(online.of(source, NOTHING).linear(down).inputMatrix()).isNull();
      assertThat(distance(logits(turned), logits(source))).isLessThan(1e-5);
    }
  }

  private static void online(Path in, Path out, WriteFormat format, QuantizeOptions options) {
    CheckpointQuantizer.run(
        in,
        out,
        new RotationOptions(4, true),
        options,
        WeightRounding.NEAREST,
        WriteOptions.of(false, false, "").as(format),
        Progress.NONE);
  }

  @Test
  void whatIsTurnedOnlineIsSaidInTheCheckpointAndReadBack() throws IOException {
    Path model = RandomModel.write(dir.resolve("model"), RandomModel.QWEN2);
    RotationOptions online = new RotationOptions(4, true);
    QuantizeOptions options = QuantizeOptions.of(QuantScheme.W4A4.withGroup(32));
    Path out = dir.resolve("out");
    online(model, out, WriteFormat.COMPRESSED_TENSORS, options);
    assertThat(Files.readString(out.resolve("config.json")))
        .contains("\"transform_config\"", "\"head_dim\" : 32", "\"weight_input\"");
    try (Checkpoint source = Checkpoints.open(model);
        Checkpoint stored = Checkpoints.open(out)) {
      assertThat(stored.linear("model.layers.0.mlp.down_proj").inputMatrix())
          .isEqualTo(new InputMatrix.Hadamard(32));
      assertThat(stored.linear("model.layers.0.mlp.up_proj").inputMatrix()).isNull();
      assertThat(logits(stored))
          .isEqualTo(logits(new QuantizedSource(online.of(source, options), options)));
    }
    assertThatThrownBy(
            () ->
                online(
                    model,
                    dir.resolve("gptq"),
                    WriteFormat.GPTQ,
                    QuantizeOptions.of(QuantScheme.W4A16.withGroup(32))))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("down_proj")
        .hasMessageContaining("compressed-tensors");
  }

  /** One sign wrong, and the weights would be those of another matrix. */
  @Test
  void aStoredMatrixThatIsNotTheOneComputedIsRefused() throws IOException {
    Path model = RandomModel.write(dir.resolve("model"), RandomModel.QWEN2);
    Path out = dir.resolve("out");
    online(model, out, WriteFormat.COMPRESSED_TENSORS, QuantizeOptions.of(QuantScheme.W8A8));
    Map<String, Tensor> tensors = new TreeMap<>();
    Path file = out.resolve("model.safetensors");
    try (SafetensorsFile stored = SafetensorsFile.open(file)) {
      stored
          .tensors()
          .forEach((name, tensor) -> tensors.put(name, tensor.to(tensor.dtype(), Arena.ofAuto())));
    }
    String matrix = "model.layers.1.mlp.down_proj.R4_input.weight";
    tensors.computeIfPresent(
        matrix,
        (name, tensor) -> {
          tensor.setFloat(33, -tensor.getFloat(33));
          return tensor;
        });
    SafetensorsWriter.write(file, tensors);
    assertThatThrownBy(() -> Checkpoints.open(out))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(matrix);
  }

  @Test
  void whatCannotBeTurnedIsRefused() throws IOException {
    String odd =
        RandomModel.QWEN2
            .replace("64", "30")
            .replace("\"num_attention_heads\": 4", "\"num_attention_heads\": 5")
            .replace("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 5");
    Path model = RandomModel.write(dir.resolve("odd"), odd);
    assertThatThrownBy(() -> write(model, dir.resolve("out")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("order 30")
        .hasMessageContaining("without rotation");
    assertThat(dir.resolve("out")).doesNotExist();
    assertThat(dir.resolve("out.partial")).doesNotExist();
    Path base = RandomModel.write(dir.resolve("base"), RandomModel.QWEN2);
    Path eight = dir.resolve("eight");
    CheckpointQuantizer.run(
        base, eight, QuantizeOptions.of(QuantScheme.W8A8), false, false, Progress.NONE);
    assertThatThrownBy(() -> write(eight, dir.resolve("twice")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("quantized already");
  }
}
