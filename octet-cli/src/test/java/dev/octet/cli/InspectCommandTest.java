package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.SafetensorsWriter;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class InspectCommandTest {
  @TempDir private Path dir;

  private static Path shared(String path) {
    String given = System.getProperty("octet.shared");
    Path root = Path.of("").toAbsolutePath();
    while (root.getParent() != null && !Files.exists(root.resolve("mvnw"))) {
      root = root.getParent();
    }
    Path file = (given == null ? root.resolveSibling("shared") : Path.of(given)).resolve(path);
    assumeTrue(Files.exists(file), () -> file + " is absent");
    return file;
  }

  @Test
  void aSafetensorsFileIsListed() {
    Path file = dir.resolve("a.safetensors");
    SafetensorsWriter.write(file, Map.of("one", Tensor.ofFloats(new float[6], 2, 3)));
    CliRun run = CliRun.of("inspect", file.toString(), "--tensors");
    assertThat(run.status()).isZero();
    assertThat(run.out()).contains("safetensors", "one", "F32", "[2, 3]", "24 B");
  }

  @Test
  void aDenseModelGetsATableOfSchemesAndARecommendation() {
    String model = shared("models/stories260K").toString();
    CliRun run = CliRun.of("inspect", model, "--memory", "8GiB", "--context", "512");
    assertThat(run.status()).isZero();
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("LlamaForCausalLM", "260 K", "dense", "w8a8", "w4a16", "with 20 %")
        .contains("for 8.0 GiB: run it unquantized");
    assertThat(CliRun.of("inspect", model, "--memory", "700KiB").out())
        .containsPattern("recommended for 700.0 KiB: --quantization w");
    assertThat(CliRun.of("inspect", model, "--memory", "1KiB").out()).contains("nothing fits");
  }

  @Test
  void aQuantizedModelShowsItsSchemesAndScales() {
    CliRun run = CliRun.of("inspect", shared("conformance/ct_fp8_kv_cache/model").toString());
    assertThat(run.status()).isZero();
    assertThat(run.out())
        .contains("compressed-tensors", "14 × f8_e4m3", "weights: 14 layers")
        .contains("cache: 2 of 2 layers", "as stored");
  }

  @Test
  void aModelThatCannotBeRunIsShownAllTheSame() {
    CliRun mla = CliRun.of("inspect", shared("conformance/deepseek_v2_lite_bf16/model").toString());
    assertThat(mla.status()).isZero();
    assertThat(mla.out()).contains("runs", "no: ", "deepseek_v2", "BF16");
  }

  @Test
  void aModelOfPackedIntegersShowsThem() {
    CliRun gptq = CliRun.of("inspect", shared("conformance/gptq_w4_sym_v1/model").toString());
    assertThat(gptq.status()).isZero();
    assertThat(gptq.out()).contains("gptq", "14 × int4 g32", "I32", "run it as stored");
  }

  @Test
  void aGgufFileShowsItsMetadataAndItsBlocks() {
    CliRun gguf = CliRun.of("inspect", shared("conformance/gguf_q4_k/model/model.gguf").toString());
    assertThat(gguf.status()).isZero();
    assertThat(gguf.out())
        .contains("gguf", "general.architecture", "llama", "Q4_K", "Q6_K", "Q5_0")
        .contains("4 × int4 g32 asym", "head tied to the embedding", "as stored");
  }

  @Test
  void jsonIsAnObjectALine() {
    CliRun run =
        CliRun.of("inspect", shared("models/stories260K").toString(), "--json", "--memory", "8GiB");
    assertThat(run.outLines()).allMatch(l -> l.startsWith("{") && l.endsWith("}"));
    assertThat(run.out())
        .contains("\"what\":\"model\"", "\"what\":\"memory\"", "\"total_bytes\":")
        .contains("\"what\":\"recommendation\",\"memory_bytes\":8589934592,\"scheme\":\"f32\"");
  }

  @Test
  void whatAFileSaysOfItselfNeitherReplacesOurWordsNorReachesTheTerminalRaw() throws IOException {
    String header =
        """
        {"__metadata__":{"format":"pt","runs":"yes","note":"red \\u001b[31m\\nand more"},
         "a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}\
        """;
    ByteBuffer file = ByteBuffer.allocate(8 + header.length() + 1).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(header.length()).put(header.getBytes(StandardCharsets.UTF_8)).put((byte) 1);
    Path path = Files.write(dir.resolve("m.safetensors"), file.array());
    CliRun table = CliRun.of("inspect", path.toString());
    assertThat(table.status()).as(table.err()).isZero();
    assertThat(table.outLines()).filteredOn(l -> l.startsWith("format ")).hasSize(1);
    assertThat(table.out()).contains("metadata.format", "and more").doesNotContain("\u001b");
    assertThat(CliRun.of("inspect", path.toString(), "--json").outLines().getFirst())
        .contains("\"format\":\"safetensors\"", "\"runs\":false", "\"metadata.runs\":\"yes\"");
  }

  @Test
  void codesKeptBesideTheCacheCountWhereInt8AttentionRunsOverIt() {
    String model = shared("models/stories260K").toString();
    String plain = "\"kv_bytes\":327680";
    assertThat(CliRun.of("inspect", model, "--json").out()).contains(plain);
    assertThat(CliRun.of("inspect", model, "--json", "--attention", "int8").out())
        .contains("\"kv_bytes\":%d".formatted(327680 + 512 * 5 * 4 * 2 * (8 + 4)));
  }

  @Test
  void badInputIsOneLineAndStatusTwo() throws IOException {
    Path broken = Files.writeString(dir.resolve("b.safetensors"), "no");
    for (String[] args :
        new String[][] {
          {"inspect", dir.resolve("absent").toString()},
          {"inspect", broken.toString()},
          {"inspect", dir.toString()},
          {"inspect", dir.toString(), "--memory", "lots"},
          {"inspect", shared("models/stories260K").toString(), "--context", "0"},
          {"inspect", dir.toString(), "--kv-cache-dtype", "int7"},
          {"inspect", shared("models/stories260K").toString(), "--lm-head", "w9"}
        }) {
      CliRun run = CliRun.of(args);
      assertThat(run.status()).as(String.join(" ", args)).isEqualTo(2);
      assertThat(run.errLines()).hasSize(1);
      assertThat(run.out()).isEmpty();
    }
  }
}
