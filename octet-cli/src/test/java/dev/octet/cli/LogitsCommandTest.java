package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LogitsCommandTest {
  private static final String CONFIG =
      """
      {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64,
       "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 2,
       "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 24, "rms_norm_eps": 1e-5,
       "rope_theta": 10000.0, "max_position_embeddings": 64, "tie_word_embeddings": true,
       "hidden_act": "silu", "attention_bias": false, "mlp_bias": false, "torch_dtype": "float32"}
      """;

  @TempDir private Path dir;
  private final Random random = new Random(5);

  @BeforeEach
  void makeModel() throws IOException {
    Path model = Files.createDirectories(dir.resolve("model"));
    Files.writeString(model.resolve("config.json"), CONFIG);
    String layer = "model.layers.0.";
    Map<String, Tensor> map = new TreeMap<>();
    map.put("model.embed_tokens.weight", random(24, 64));
    map.put("model.norm.weight", random(64));
    map.put(layer + "input_layernorm.weight", random(64));
    map.put(layer + "post_attention_layernorm.weight", random(64));
    map.put(layer + "self_attn.q_proj.weight", random(64, 64));
    map.put(layer + "self_attn.k_proj.weight", random(32, 64));
    map.put(layer + "self_attn.v_proj.weight", random(32, 64));
    map.put(layer + "self_attn.o_proj.weight", random(64, 64));
    map.put(layer + "mlp.gate_proj.weight", random(96, 64));
    map.put(layer + "mlp.up_proj.weight", random(96, 64));
    map.put(layer + "mlp.down_proj.weight", random(64, 96));
    SafetensorsWriter.write(model.resolve("model.safetensors"), map);
  }

  private Tensor random(long... shape) {
    Tensor tensor = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.setFloat(i, (float) random.nextGaussian() / 8);
    }
    return tensor;
  }

  private CliRun run(String ids, String out, String... more) {
    return CliRun.of(
        Stream.concat(
                Stream.of(
                    "logits",
                    "--model",
                    dir.resolve("model").toString(),
                    "--ids",
                    ids,
                    "--out",
                    dir.resolve(out).toString()),
                Stream.of(more))
            .toArray(String[]::new));
  }

  private float[] logits(String out, int tokens) {
    try (SafetensorsFile file = SafetensorsFile.open(dir.resolve(out))) {
      Tensor logits = file.tensor("logits");
      assertThat(logits.dtype()).isEqualTo(DType.F32);
      assertThat(logits.shape()).containsExactly(tokens, 24);
      return logits.toFloats();
    }
  }

  @Test
  void writesEveryPositionAndBothProvidersAgree() {
    assertThat(run("1,2, 3", "a.safetensors", "--provider", "reference").status()).isZero();
    assertThat(run("1,2,3", "b.safetensors", "--provider", "vector").status()).isZero();
    float[] a = logits("a.safetensors", 3);
    float[] b = logits("b.safetensors", 3);
    for (int i = 0; i < a.length; i++) {
      assertThat(b[i]).isCloseTo(a[i], org.assertj.core.api.Assertions.within(1e-4f));
    }
  }

  @Test
  void idsMayComeFromAFile() {
    Tensor ids = Tensor.allocate(Arena.ofAuto(), DType.I64, 1, 3);
    for (int i = 0; i < 3; i++) {
      ids.setFloat(i, i + 1);
    }
    Path file = dir.resolve("ids.safetensors");
    SafetensorsWriter.write(file, Map.of("tokens", ids, "noise", random(2)));
    assertThat(run(file.toString(), "a.safetensors", "--provider", "reference").status()).isZero();
    assertThat(run("1,2,3", "b.safetensors", "--provider", "reference").status()).isZero();
    assertThat(logits("a.safetensors", 3)).isEqualTo(logits("b.safetensors", 3));
  }

  @Test
  void int8AttentionAndCacheChangeTheNumbersALittle() {
    assertThat(run("1,2,3,4", "a.safetensors").status()).isZero();
    CliRun reduced =
        run("1,2,3,4", "b.safetensors", "--attention", "int8", "--kv-cache-dtype", "int8");
    assertThat(reduced.status()).isZero();
    assertThat(reduced.err()).contains("int8 attention, int8 cache");
    float[] a = logits("a.safetensors", 4);
    float[] b = logits("b.safetensors", 4);
    double difference = 0;
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      difference += Math.abs(a[i] - b[i]);
      sum += Math.abs(a[i]);
    }
    assertThat(difference / sum).isBetween(1e-7, 0.02);
  }

  @Test
  void logitsThatAreNoNumbersAreNotWritten() throws IOException {
    Path file = dir.resolve("model/model.safetensors");
    Map<String, Tensor> map = new TreeMap<>();
    try (SafetensorsFile stored = SafetensorsFile.open(file)) {
      stored.tensors().forEach((name, t) -> map.put(name, t.to(DType.F32, Arena.ofAuto())));
    }
    Tensor norm = Objects.requireNonNull(map.get("model.norm.weight"));
    norm.setFloat(3, Float.NaN);
    SafetensorsWriter.write(file, map);
    CliRun run = run("1,2", "a.safetensors");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.err()).contains("not written").contains("NaN");
    assertThat(dir.resolve("a.safetensors")).doesNotExist();
  }

  @Test
  void weightsAreQuantizedWhenAskedFor() {
    String[] exact = {"--provider", "reference"};
    String[] w8a8 = {"--provider", "reference", "--quantization", "w8a8"};
    String[] none = {"--provider", "reference", "--quantization", "w8a8", "--ignore", "*"};
    assertThat(run("1,2,3,4", "a.safetensors", exact).status()).isZero();
    assertThat(run("1,2,3,4", "b.safetensors", w8a8).status()).isZero();
    assertThat(run("1,2,3,4", "c.safetensors", none).status()).isZero();
    assertThat(logits("b.safetensors", 4)).isNotEqualTo(logits("a.safetensors", 4));
    assertThat(logits("c.safetensors", 4)).isEqualTo(logits("a.safetensors", 4));
    assertThat(run("1", "d.safetensors", "--quantization", "w8a8,int4").status()).isEqualTo(2);
    assertThat(run("1", "d.safetensors", "--quantization", "w3").err()).contains("w3", "w4a16");
  }

  @Test
  void anOlderResultIsReplaced() {
    assertThat(run("1", "a.safetensors").status()).isZero();
    assertThat(run("1,2", "a.safetensors").status()).isZero();
    logits("a.safetensors", 2);
  }

  @Test
  void aDeviceIsNotReplacedByAFile() throws IOException {
    assumeTrue(Files.exists(Path.of("/dev/null")));
    Path link = Files.createSymbolicLink(dir.resolve("device"), Path.of("/dev/null"));
    CliRun run = run("1,2", "device");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.errLines()).singleElement().asString().contains("is no plain file");
    assertThat(link).isSymbolicLink();
  }

  @Test
  void badInputIsOneLineStatusTwoAndLeavesNothing() throws IOException {
    for (String[] bad :
        new String[][] {
          {"1,24", "a.safetensors"},
          {"1,-1", "a.safetensors"},
          {"1,,2", "a.safetensors"},
          {"1.5", "a.safetensors"},
          {"", "a.safetensors"},
          {"99999999999", "a.safetensors"},
          {"absent.safetensors", "a.safetensors"},
          {dir.resolve("model/config.json").toString(), "a.safetensors"},
          {"1,2", "no/such/a.safetensors"},
          {"1,2", "."},
          {"1,2", "model/model.safetensors"}
        }) {
      CliRun run = run(bad[0], bad[1]);
      assertThat(run.status()).as(String.join(" ", bad)).isEqualTo(2);
      assertThat(run.errLines()).as(String.join(" ", bad)).hasSize(1);
    }
    assertThat(run("1,24", "a.safetensors").err()).contains("24 at position 1", "vocabulary of 24");
    try (Stream<Path> files = Files.list(dir)) {
      assertThat(files.map(f -> f.getFileName().toString())).containsExactly("model");
    }
  }

  @Test
  void aFileWithoutOneRowOfIdsIsRefused() {
    Path file = dir.resolve("ids.safetensors");
    Tensor ids = Tensor.allocate(Arena.ofAuto(), DType.I32, 2, 3);
    SafetensorsWriter.write(file, Map.of("input_ids", ids));
    assertThatThrownBy(() -> TokenIds.parse(file.toString()))
        .isInstanceOf(CliException.class)
        .hasMessageContaining("one row");
    SafetensorsWriter.write(file, Map.of("a", ids, "b", ids));
    assertThatThrownBy(() -> TokenIds.parse(file.toString()))
        .hasMessageContaining("2 integer tensors");
  }
}
