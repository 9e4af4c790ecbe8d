package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code octet quantize} with recipes, chains of steps and static scales of attention. */
class RecipeCommandsTest {
  private static final String QUICK = " --samples 4 --sample-length 64";

  @TempDir private Path dir;

  private CliRun quantize(String out, String options) {
    List<String> args = new ArrayList<>(List.of("quantize", "--out", dir.resolve(out).toString()));
    args.addAll(Arrays.asList(options.split(" ", -1)));
    return CliRun.of(args.toArray(String[]::new));
  }

  @Test
  void aChainEndsInAScaleForEveryHeadAndInspectShowsThem() {
    CliRun made =
        quantize("fa", "--scheme w8a8 --format ascend --method smoothquant,gptq,faquant" + QUICK);
    assertThat(made.status()).as(made.err()).isZero();
    CliRun seen = CliRun.of("inspect", dir.resolve("fa").toString());
    assertThat(seen.status()).as(seen.err()).isZero();
    assertThat(seen.out())
        .contains(
            "cache keys int8: 10 from", "cache values int8: 10 from", "queries int8: 20 from");
    CliRun text =
        CliRun.of(
            "generate",
            "--model",
            dir.resolve("fa").toString(),
            "--prompt",
            "The dog",
            "--max-tokens",
            "2",
            "--kv-scale-policy",
            "strict");
    assertThat(text.status()).as(text.err()).isZero();
  }

  @Test
  void theOutputLayerIsQuantizedWhereAskedAndInspectShowsIt() {
    CliRun made = quantize("head", "--scheme none --lm-head w8a16");
    assertThat(made.status()).as(made.err()).isZero();
    assertThat(made.out()).contains("1 layers as w8a16");
    assertThat(CliRun.of("inspect", "--tensors", dir.resolve("head").toString()).out())
        .contains("lm_head.weight_packed");
    assertRefused(quantize("no", "--scheme w4a16-asym --lm-head w8a16 --format awq"), "lm_head");
    assertRefused(quantize("no", "--scheme w8a8 --lm-head w9"), "w9");
    assertRefused(quantize("no", "--scheme q8_0 --format gguf --lm-head w8a16"), "GGUF");
  }

  @Test
  void aCacheCanBeCalibratedAlone() {
    CliRun made =
        quantize("kv", "--scheme none --method kv-fp8 --kv-scales head --observer mse" + QUICK);
    assertThat(made.status()).as(made.err()).isZero();
    assertThat(made.out()).contains("no layers quantized");
    assertThat(CliRun.of("inspect", dir.resolve("kv").toString()).out())
        .contains("cache keys fp8_e4m3: 10 from");
  }

  @Test
  void theRecipeOfACommandLineDoesTheSame() throws IOException {
    Path yaml = dir.resolve("recipe.yaml");
    String line =
        "--scheme w4a16-asym --group-size 64 --ignore *.o_proj --method hqq --write-recipe " + yaml;
    assertThat(quantize("first", line).status()).isZero();
    CliRun again = quantize("again", "--recipe " + yaml);
    assertThat(again.status()).as(again.err()).isZero();
    assertThat(dir.resolve("again/model.safetensors"))
        .hasSameBinaryContentAs(dir.resolve("first/model.safetensors"));
    CliRun shown = quantize("none", "--explain --yaml --recipe " + yaml);
    assertThat(shown.out()).isEqualTo(Files.readString(yaml));
    assertThat(quantize("none", "--explain --recipe " + yaml).out())
        .contains("w4a16-asym (int4 g64 asym a16), HQQ: 20 iterations", "*.o_proj");
    assertThat(dir.resolve("none")).doesNotExist();
    assertRefused(quantize("more", line), "exists");
  }

  @Test
  void theRecipeMayLieInTheDirectoryThatIsMade() {
    Path model = dir.resolve("m");
    String line = "--scheme w8a16 --write-recipe ";
    assertRefused(quantize("m", line + model), "is --out; name another file");
    assertRefused(quantize("m", line + model + "/config.json"), "is named *.yaml");
    assertRefused(quantize("m", line + model + "/deep/r.yaml"), "no such folder");
    assertRefused(quantize("m", line + model + "/r.yaml --explain"), "no such folder");
    assertThat(dir).isEmptyDirectory();
    for (String force : List.of("", " --force")) {
      CliRun made = quantize("m", line + model + "/r.yaml" + force);
      assertThat(made.status()).as(made.err()).isZero();
      assertThat(model.resolve("r.yaml")).content().contains("scheme: w8a16");
    }
    assertThat(dir).isDirectoryNotContaining(p -> !p.endsWith("m"));
  }

  /** As on the command line: a type alone, and a type with steps. */
  @Test
  void aRecipeWritesTheGgufFileOfItsCommandLine() throws IOException {
    for (String line :
        List.of(
            "--scheme q6_k --ignore *.down_proj",
            "--scheme q4_0 --group-size 64 --ignore *.o_proj --method gptq" + QUICK)) {
      Path yaml = dir.resolve("r" + line.length() + ".yaml");
      CliRun made = quantize("first.gguf", line + " --format gguf --force --write-recipe " + yaml);
      assertThat(made.status()).as(made.err()).isZero();
      assertThat(Files.readString(yaml)).contains("format: gguf");
      CliRun again = quantize("again.gguf", "--force --recipe " + yaml);
      assertThat(again.status()).as(again.err()).isZero();
      assertThat(again.out().replace("again", "first")).isEqualTo(made.out());
      assertThat(dir.resolve("again.gguf")).hasSameBinaryContentAs(dir.resolve("first.gguf"));
      CliRun shown = quantize("none.gguf", "--explain --yaml --recipe " + yaml);
      assertThat(shown.out()).isEqualTo(Files.readString(yaml));
    }
    assertThat(dir.resolve("none.gguf")).doesNotExist();
    Path mixed =
        Files.writeString(
            dir.resolve("mixed.yaml"),
            "scheme: q4_0\nlayers: [{targets: [\"*.v_proj\"], scheme: q8_0}]\nformat: gguf\n");
    CliRun two = quantize("two.gguf", "--recipe " + mixed);
    assertThat(two.status()).as(two.err()).isZero();
    assertThat(two.out()).contains("30 Q4_0", "5 Q8_0");
    assertRefused(quantize("two.gguf", "--force --resume --recipe " + yamlOf("q6_k")), "--resume");
  }

  private Path yamlOf(String type) throws IOException {
    return Files.writeString(dir.resolve(type + ".yaml"), "scheme: " + type + "\nformat: gguf\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "--recipe /nowhere.yaml",
        "--recipe /nowhere.yaml --scheme w8a8",
        "--scheme none",
        "--scheme none --method gptq",
        "--scheme w8a8 --method faquant,gptq",
        "--scheme w8a8 --method faquant,c8",
        "--scheme w8a8 --method hqq",
        "--scheme w4a16-asym --method hqq --clip search",
        "--scheme w8a8 --observer mse",
        "--scheme w8a8 --static-inputs --observer best",
        "--scheme w8a8 --kv-offsets",
        "--scheme w8a8 --method c8 --kv-scales head",
        "--scheme w8a8 --method c8" + QUICK,
        "--scheme w8a8 --method faquant" + QUICK,
        "--scheme w8a8 --method kv-fp8 --format ascend" + QUICK,
        "--scheme q8_0 --format gguf --method kv-fp8"
      })
  void whatDoesNotGoTogetherIsRefusedAndLeavesNothing(String options) {
    assertRefused(quantize("x", options.isEmpty() ? "--force" : options), "");
    assertThat(dir).isEmptyDirectory();
  }

  private static void assertRefused(CliRun run, String message) {
    assertThat(run.status()).as(run.err()).isEqualTo(2);
    assertThat(run.errLines()).as(run.err()).filteredOn(l -> l.startsWith("octet: ")).hasSize(1);
    assertThat(run.err()).contains(message);
  }

  @Test
  void outliersAreInjected() {
    CliRun run = CliRun.of("inject-outliers", "--out", dir.resolve("o").toString());
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.out()).contains("4 channels of each of [norm] are 2^6 times as large");
  }
}
