package dev.octet.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Architecture;
import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.ModelLayout;
import dev.octet.checkpoint.RopeScaling;
import dev.octet.checkpoint.Shared;
import dev.octet.checkpoint.UnsupportedCheckpointException;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.LinearWeights;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufCheckpointTest {
  @TempDir Path dir;

  private static Path model(String name) {
    return Shared.path("conformance/" + name + "/model");
  }

  /** Names, shapes, order of rows, biases and settings of every family, there and back. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama_gqa4_f16",
        "llama_bias_f16",
        "llama_tied_f32",
        "llama_rope_linear",
        "mistral_window_bf16",
        "qwen2_bf16",
        "qwen3_bf16",
        "qwen3_yarn_bf16"
      })
  void aModelThatIsConvertedComesBackAsItWas(String name) {
    Path file = dir.resolve("m.gguf");
    Converted.write(model(name), GgufType.F32, file);
    try (Checkpoint want = Checkpoints.open(model(name));
        Checkpoint got = Checkpoints.open(file)) {
      assertThat(withoutTokens(got.config())).isEqualTo(withoutTokens(want.config()));
      same("embedding", got.embedding(), want.embedding());
      ModelLayout.linears(
          want.config(),
          l -> {
            LinearWeights a = got.linear(l.module());
            LinearWeights b = want.linear(l.module());
            same(l.module(), a.weight(), b.weight());
            assertThat(floats(a.bias())).as(l.module()).isEqualTo(floats(b.bias()));
          });
      ModelLayout.plain(
          want.config(),
          p -> {
            if (!p.name().equals(ModelLayout.EMBEDDING)) {
              assertThat(got.tensor(p.name()).toFloats())
                  .as(p.name())
                  .containsExactly(want.tensor(p.name()).toFloats());
            }
          });
      same("head", got.lmHead().weight(), want.lmHead().weight());
    }
  }

  private static void same(String what, RowTable got, RowTable want) {
    assertThat(got.rows()).as(what).isEqualTo(want.rows());
    float[] a = new float[(int) got.columns()];
    float[] b = new float[(int) want.columns()];
    for (long r = 0; r < got.rows(); r++) {
      got.dequantizeRow(r, a);
      want.dequantizeRow(r, b);
      assertThat(a).as("%s, row %d", what, r).containsExactly(b);
    }
  }

  private static float @Nullable [] floats(@Nullable Tensor tensor) {
    return tensor == null ? null : tensor.toFloats();
  }

  /** What a tokenizer says, and the type of the file, are not the model's; F32 rounds numbers. */
  private static String withoutTokens(ModelConfig c) {
    return c.toString()
        .replaceAll(", bosTokenId=.*", "")
        .replaceAll("rmsNormEps=[^,]*", "rmsNormEps=" + (float) c.rmsNormEps())
        .replace("mscale=0.0, mscaleAllDim=0.0", "mscale=null, mscaleAllDim=null");
  }

  @Test
  void llama3StretchesEveryFrequencyByItsOwnFactor() {
    Path file = dir.resolve("m.gguf");
    Converted.write(model("llama_rope_llama3"), GgufType.F16, file);
    try (Checkpoint got = Checkpoints.open(file);
        Checkpoint want = Checkpoints.open(model("llama_rope_llama3"))) {
      assertThat(want.config().ropeScaling()).isInstanceOf(RopeScaling.Llama3.class);
      RopeScaling.Llama3 llama3 = (RopeScaling.Llama3) want.config().ropeScaling();
      List<Double> factors = ((RopeScaling.Factors) got.config().ropeScaling()).factors();
      assertThat(factors).hasSize(got.config().headDim() / 2).isSorted();
      assertThat(factors.getFirst()).isEqualTo(1);
      assertThat(factors.getLast()).isCloseTo(llama3.factor(), within(1e-6));
    }
  }

  @Test
  void modelsThatTheFormatCannotDescribeAreRefused() {
    Path file = dir.resolve("m.gguf");
    Path dynamic = model("llama_rope_dynamic");
    assertThatThrownBy(() -> Converted.write(dynamic, GgufType.F16, file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("rope_scaling");
    assertThat(file).doesNotExist();
  }

  @ParameterizedTest
  @CsvSource({"Q8_0, 0.01", "Q6_K, 0.02", "Q4_K, 0.1", "Q4_0, 0.12", "BF16, 0.005", "F16, 0.001"})
  void quantizedModelsStayNearTheirWeights(GgufType type, double bound) {
    Path source = model("llama_gqa4_f16");
    Path file = dir.resolve("m.gguf");
    Converted.write(source, type, file);
    try (Checkpoint want = Checkpoints.open(source);
        Checkpoint got = Checkpoints.open(file)) {
      ModelLayout.linears(
          want.config(),
          l -> {
            double error = 0;
            double size = 0;
            float[] a = new float[(int) l.columns()];
            float[] b = new float[(int) l.columns()];
            for (long r = 0; r < l.rows(); r++) {
              got.linear(l.module()).weight().dequantizeRow(r, a);
              want.linear(l.module()).weight().dequantizeRow(r, b);
              for (int j = 0; j < a.length; j++) {
                error += Math.pow(a[j] - b[j], 2);
                size += b[j] * b[j];
              }
            }
            assertThat(Math.sqrt(error / size)).as(l.module()).isLessThan(bound);
          });
    }
  }

  @Test
  void aDirectoryWithOneFileIsThatModel() throws IOException {
    Path file = dir.resolve("m.gguf");
    Converted.write(model("qwen3_bf16"), GgufType.BF16, file);
    Files.write(dir.resolve("mmproj-vision.gguf"), new byte[10]);
    try (Checkpoint c = Checkpoints.open(dir)) {
      assertThat(c.format()).isEqualTo("gguf");
      assertThat(c.config().architecture()).isEqualTo(Architecture.QWEN3);
    }
    Files.copy(file, dir.resolve("other.gguf"));
    assertThatThrownBy(() -> Checkpoints.open(dir)).hasMessageContaining("holds 2 GGUF models");
  }

  /** The same tensors in three files, opened by any of them. */
  private List<Path> split(Path whole) throws IOException {
    List<Path> parts =
        List.of(1, 2, 3).stream().map(i -> dir.resolve("s-0000" + i + "-of-00003.gguf")).toList();
    try (GgufFile file = GgufFile.open(whole)) {
      List<GgufTensor> all = List.copyOf(file.tensors().values());
      for (int i = 0; i < 3; i++) {
        GgufEntries metadata = new GgufEntries().whole("split.no", i).whole("split.count", 3);
        metadata.whole("split.tensors.count", all.size());
        if (i == 0) {
          metadata.also(new GgufModel(source(), GgufType.F32).metadata("split"));
        }
        List<GgufTensor> mine = all.subList(i * all.size() / 3, (i + 1) * all.size() / 3);
        List<GgufWriter.Spec> specs =
            mine.stream().map(t -> new GgufWriter.Spec(t.name(), t.type(), t.shape())).toList();
        try (GgufWriter writer = GgufWriter.create(parts.get(i), metadata, specs, false)) {
          for (GgufTensor t : mine) {
            Tensor values = file.dense(t.name()).orElseThrow();
            Tensor rows = values.rank() == 1 ? values.reshape(1, values.size()) : values;
            writer.write(t.name(), new DenseWeight(rows));
          }
          writer.finish();
        }
      }
    }
    return parts;
  }

  private Checkpoint source() {
    return Checkpoints.open(model("llama_gqa4_f16"));
  }

  @Test
  void aSplitModelIsOpenedByAnyOfItsParts() throws IOException {
    Path whole = dir.resolve("whole.gguf");
    Converted.write(model("llama_gqa4_f16"), GgufType.F32, whole);
    List<Path> parts = split(whole);
    try (Checkpoint want = Checkpoints.open(whole)) {
      for (Path part : parts) {
        try (Checkpoint got = Checkpoints.open(part)) {
          assertThat(got.tensors().keySet()).isEqualTo(want.tensors().keySet());
          String module = "model.layers.1.mlp.down_proj";
          same(module, got.linear(module).weight(), want.linear(module).weight());
        }
      }
    }
    Files.delete(whole);
    Checkpoints.open(dir).close();
    Files.delete(parts.get(1));
    assertThatThrownBy(() -> Checkpoints.open(dir))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("part 2 of 3")
        .hasMessageContaining("is missing");
    Files.copy(parts.get(0), parts.get(1));
    assertThatThrownBy(() -> Checkpoints.open(dir))
        .hasMessageContaining("'split.no' is 0 in part 2");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "llama.expert_count           | 8  | 'llama.expert_count' is 8",
        "llama.rope.dimension_count   | 4  | heads are rotated whole",
        "llama.attention.value_length | 64 | 'llama.attention.value_length' is 64",
        "llama.attention.head_count_kv| 3  | does not divide",
        "llama.attention.head_count   | 0  | must be an integer from 1",
        "llama.block_count            | 1  | 'blk.1.",
        "llama.block_count            | 3  | 'blk.2.attn_norm.weight' is missing",
        "llama.vocab_size             | 7  | the embedding has",
        "llama.embedding_length       | 34 | llama.embedding_length is 34",
        "llama.context_length         | 0  | must be an integer from 1",
        "llama.rope.scaling.type      | 3  | must be a string"
      })
  void settingsThatContradictOrAreNotUnderstoodAreRefusedByTheirKey(
      String key, int value, String problem) throws IOException {
    Path file = dir.resolve("m.gguf");
    Converted.write(model("llama_gqa4_f16"), GgufType.F32, file);
    if (!patch(file, key, value)) {
      Converted.write(
          model("llama_gqa4_f16"), GgufType.F32, file, new GgufEntries().whole(key, value));
    }
    assertThatThrownBy(() -> Checkpoints.open(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("m.gguf")
        .hasMessageContaining(problem);
  }

  /** Overwrites an unsigned 32-bit value behind its key, if the key is there. */
  private static boolean patch(Path file, String key, int value) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    byte[] sought = (key + "\4\0\0\0").getBytes(StandardCharsets.UTF_8); // the type, u32
    for (int at = 0; at + sought.length < bytes.length; at++) {
      if (Arrays.equals(bytes, at, at + sought.length, sought, 0, sought.length)) {
        Bytes.putU32(bytes, at + sought.length, value);
        Files.write(file, bytes);
        return true;
      }
    }
    return false;
  }

  @Test
  void aTensorThatNothingUsesIsRefused() {
    Path file = dir.resolve("m.gguf");
    try (Checkpoint source = Checkpoints.open(model("qwen3_bf16"))) {
      GgufModel gguf = new GgufModel(source, GgufType.F32);
      List<GgufWriter.Spec> specs =
          new ArrayList<>(gguf.plan().stream().map(GgufModel.GgufTensorPlan::spec).toList());
      specs.add(new GgufWriter.Spec("blk.0.ffn_gate_exps.weight", GgufType.F32, 4));
      try (GgufWriter writer = GgufWriter.create(file, gguf.metadata("x"), specs, false)) {
        gguf.plan().forEach(t -> writer.write(t.spec().name(), gguf.rows(t)));
        writer.write(
            "blk.0.ffn_gate_exps.weight", new DenseWeight(Tensor.ofFloats(new float[4], 1, 4)));
        writer.finish();
      }
    }
    assertThatThrownBy(() -> Checkpoints.open(file))
        .isInstanceOf(UnsupportedCheckpointException.class)
        .hasMessageContaining("'blk.0.ffn_gate_exps.weight' has no place in a qwen3 model");
  }
}
