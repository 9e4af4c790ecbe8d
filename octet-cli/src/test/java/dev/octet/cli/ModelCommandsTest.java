package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The commands that run a model, on the bundled one. */
class ModelCommandsTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  @TempDir Path scratch;

  @BeforeAll
  static void needsTheBundledModel() {
    assumeTrue(Files.isDirectory(BundledModel.home().resolve("models/octet-tales-5m")));
  }

  private static void assertRefused(CliRun run, String... words) {
    assertThat(run.status()).as(run.err()).isEqualTo(2);
    assertThat(run.out()).isEmpty();
    assertThat(run.errLines().stream().filter(l -> l.startsWith("octet: "))).hasSize(1);
    assertThat(run.err()).doesNotContain("\tat ");
    assertThat(List.of(words)).allSatisfy(word -> assertThat(run.err()).contains(word));
  }

  @Test
  void greedyTextIsTheSameEveryTimeAndGoesToStandardOutput() {
    CliRun one = CliRun.of("generate", "--prompt", "Once upon a time", "--max-tokens", "12");
    CliRun two = CliRun.of("generate", "--prompt", "Once upon a time", "--max-tokens", "12");
    assertThat(one.status()).as(one.err()).isZero();
    assertThat(one.out()).isEqualTo(two.out()).endsWith("\n");
    assertThat(one.out().strip()).matches("(?s).*[a-z]{3}.*");
    assertThat(one.err()).contains("kernels", "12 new tokens", "ended by length");
  }

  @Test
  void idsAreWhatWasAskedForAndOnOneLine() {
    CliRun run =
        CliRun.of(
            "generate",
            "--ids",
            "1,403,407",
            "--print-ids",
            "--max-tokens",
            "5",
            "--ignore-eos",
            "--quantization",
            "w8a8",
            "--attention",
            "int8",
            "--kv-cache-dtype",
            "int8",
            "--provider",
            "reference",
            "--threads",
            "1");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.out()).matches("\\d+(,\\d+){4}\\R");
    assertThat(run.err()).contains("reference kernels", "1 thread,");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "generate",
        "generate --prompt a --ids 1",
        "generate --ids 1,x",
        "generate --ids 99999999",
        "generate --prompt a --temperature -1",
        "generate --prompt a --top-p 2",
        "generate --prompt a --max-tokens 0",
        "generate --prompt a --attention float3",
        "generate --prompt a --kv-cache-dtype int3",
        "generate --prompt a --quantization w3a3",
        "generate --prompt a --quantization w8a8,fp8",
        "generate --prompt a --lm-head w3",
        "generate --prompt a --embedding w8a8,w4a16",
        "bench model --shape llama-3.2-1b --embedding w8a16",
        "generate --prompt a --provider quantum",
        "generate --prompt a --threads -2",
        "generate --prompt a --model /nowhere/at/all",
        "eval",
        "eval perplexity",
        "eval perplexity --text /nowhere/at/all.txt",
        "eval perplexity --ids 1,2,3 --context 1",
        "eval perplexity --ids 1,2,3 --context 100000",
        "eval perplexity --ids 5",
        "eval perplexity --text /dev/null",
        "eval perplexity --text /dev/zero",
        "quantize --scheme w4a16 --out x --calibration /dev/zero --method gptq",
        "eval perplexity --text /",
        "eval perplexity --ids 1,2,3 --context 100000",
        "eval perplexity --ids 1,2,3 --max-change NaN",
        "eval perplexity --ids 1,2,3 --max-perplexity NaN",
        "eval perplexity --ids 1,2,3 --ignore re:(",
        "generate --ids 1 --ignore re:(",
        "quantize --scheme w8a8",
        "quantize --scheme w3a3 --out x",
        "quantize --scheme w8a8 --group-size 32 --out x",
        "quantize --scheme w4a16 --out x --method gptq,awq",
        "quantize --scheme w4a16 --out x --method gptq,gptq",
        "quantize --scheme w4a16 --out x --method gptq,rotation",
        "quantize --scheme w4a4 --out x --method rotation --rotations R1",
        "quantize --scheme w4a4 --out x --rotations R1,R2,R4",
        "quantize --scheme none --out x --method gptq",
        "quantize --scheme none --out x --method rotation,gptq",
        "quantize --scheme w4a16 --out x --method smoothquant --alpha 1.5",
        "quantize --scheme w4a16 --out x --method smoothquant --alpha high",
        "quantize --scheme w4a16 --out x --method gptq --damping 0",
        "quantize --scheme w4a16 --out x --method gptq --damping NaN",
        "quantize --scheme w4a16 --out x --method gptq --samples 0",
        "quantize --scheme w4a16 --out x --method gptq --sample-length 1",
        "quantize --scheme w4a16 --out x --method gptq --calibration /nonexistent",
        "quantize --scheme w4a16 --out x --clip 0",
        "quantize --scheme w4a16 --out x --clip 101",
        "quantize --scheme w4a16 --out x --clip NaN",
        "quantize --scheme fp8 --out x --method gptq",
        "quantize --scheme w4a16 --out x --static-inputs",
        "demo --text /nowhere/at/all.txt",
        "bench",
        "bench linear --shapes nonsense",
        "bench linear --compute int3",
        "bench model --compute int3",
        "bench linear --compare",
        "bench attention --heads 32/8/2",
        "bench attention --heads 32/5",
        "bench attention --d 0",
        "bench attention --n 2000000000 --d 1024",
        "bench linear --repeat 0",
        "bench accuracy --n 2000000000 --d 1024",
        "bench accuracy --input foo",
        "bench accuracy --d 3",
        "train --out /nowhere/at/all",
      })
  void badInputIsOneLineAndStatusTwo(String line) {
    assertRefused(CliRun.of(line.split(" ", -1)));
  }

  /** What would be refused once all is done is refused before, and what does nothing, too. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          analyze --html /nowhere/a.html              | --html: /nowhere/a.html: no such folder /nowhere
          analyze --html /                            | --html: / is a directory
          analyze --resume                            | --resume: name the --html or --journal
          analyze --top -1                            | --top must be at least 0, not -1
          quantize --scheme w8a8 --out .              | is the current directory or holds it
          analyze --sample-length 0                   | --sample-length must be at least 2, not 0
          eval compare MODEL w8a8 --text T --html /nowhere/c.html | --html: /nowhere/c.html: no such folder
          convert --model MODEL --out x --format dense --weights-only | --weights-only: dense has weights alone
          """)
  void whatWouldFailInTheEndFailsBefore(String line, String message) throws IOException {
    String model = BundledModel.directory().toString();
    assertRefused(
        CliRun.of(line.replace("MODEL", model).replace(" T ", " " + text() + " ").split(" ", -1)),
        message);
  }

  @Test
  void aBrokenModelIsNamedWithItsFile() throws IOException {
    Files.writeString(scratch.resolve("config.json"), "{\"model_type\":");
    assertRefused(
        CliRun.of("generate", "--model", scratch.toString(), "--prompt", "a"), "config.json");
  }

  @Test
  void perplexityComesAsOneTableWithChangesAgainstTheFirstRow() throws IOException {
    CliRun run =
        CliRun.of(
            "eval",
            "perplexity",
            "--text",
            text().toString(),
            "--context",
            "64",
            "--quantization",
            "none,w8a8",
            "--quantization",
            "int4");
    assertThat(run.status()).as(run.err()).isZero();
    List<String> lines = run.outLines();
    assertThat(lines.getFirst()).startsWith("quantization").contains("perplexity", "change");
    assertThat(lines.get(1)).startsWith("none").doesNotContain("%");
    assertThat(lines.get(2)).startsWith("w8a8").contains("%");
    assertThat(lines.get(3)).startsWith("int4").contains("%");
    assertThat(run.out()).contains("w8a8  ", "under 1 %");
  }

  @Test
  void perplexityAsJsonHasTheFieldsPromised() throws IOException {
    CliRun run =
        CliRun.of(
            "eval",
            "perplexity",
            "--text",
            text().toString(),
            "--context",
            "64",
            "--samples",
            "2",
            "--quantization",
            "none,fp8",
            "--attention",
            "int8",
            "--kv-cache-dtype",
            "fp8_e4m3",
            "--json");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.outLines()).hasSize(2);
    JsonNode first = JSON.readTree(run.outLines().getFirst());
    JsonNode second = JSON.readTree(run.outLines().getLast());
    assertThat(second.propertyNames())
        .contains(
            "bench",
            "variant",
            "input",
            "d",
            "n",
            "causal",
            "threads",
            "isa",
            "quantization",
            "kv_cache_dtype",
            "attention",
            "perplexity",
            "change",
            "tokens_per_s");
    assertThat(second.get("n").asInt()).isEqualTo(64);
    assertThat(second.get("d").asInt()).isEqualTo(64);
    assertThat(first.get("change").isNull()).isTrue();
    assertThat(second.get("quantization").asString()).isEqualTo("fp8");
    assertThat(second.get("kv_cache_dtype").asString()).isEqualTo("fp8_e4m3");
    assertThat(second.get("attention").asString()).isEqualTo("int8");
    double expected = second.get("perplexity").asDouble() / first.get("perplexity").asDouble() - 1;
    assertThat(second.get("change").asDouble()).isEqualTo(expected);
    assertThat(first.get("perplexity").asDouble()).isBetween(2.0, 500.0);
  }

  @Test
  void aCacheOrAnAttentionAloneGetsAVerdictToo() throws IOException {
    CliRun run =
        CliRun.of(
            "eval",
            "perplexity",
            "--text",
            text().toString(),
            "--context",
            "64",
            "--samples",
            "2",
            "--kv-cache-dtype",
            "bf16,int8",
            "--ignore",
            "*.no_such_proj");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.outLines()).hasSize(4);
    assertThat(run.outLines().getLast()).startsWith("none, int8, int8  ").contains(" %");
    assertThat(run.err()).contains("--ignore *.no_such_proj: no layer of this model");
    assertThat(run.err()).contains("none, int8, int8 100%");
  }

  @Test
  void aPromptLongerThanTheContextIsRefusedBeforeTheModelIsLoaded() {
    String ids = "1,".repeat(600) + "1";
    assertRefused(CliRun.of("generate", "--ids", ids), "601 tokens", "512");
  }

  @Test
  void aPassedLimitIsStatusOne() throws IOException {
    String text = text().toString();
    assertThat(
            CliRun.of(
                    "eval",
                    "perplexity",
                    "--text",
                    text,
                    "--samples",
                    "1",
                    "--context",
                    "64",
                    "--max-perplexity",
                    "1.5")
                .status())
        .isEqualTo(1);
    assertThat(
            CliRun.of(
                    "eval",
                    "perplexity",
                    "--text",
                    text,
                    "--samples",
                    "1",
                    "--context",
                    "64",
                    "--max-perplexity",
                    "100000")
                .status())
        .isZero();
  }

  @Test
  void aQuantizedCheckpointIsSmallerRunsAndIsNotOverwritten() {
    Path out = scratch.resolve("w8a8");
    CliRun run = CliRun.of("quantize", "--scheme", "w8a8", "--out", out.toString());
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.out()).contains("35 layers", "w8a8", "MiB instead of");
    CliRun text =
        CliRun.of(
            "generate", "--model", out.toString(), "--prompt", "The dog", "--max-tokens", "4");
    assertThat(text.status()).as(text.err()).isZero();
    assertRefused(CliRun.of("quantize", "--scheme", "w8a8", "--out", out.toString()), "--force");
    assertThat(
            CliRun.of("quantize", "--scheme", "fp8", "--out", out.toString(), "--force").status())
        .isZero();
  }

  @Test
  void whoStartsOverIsToldThatTheRunCouldBeContinued() throws IOException {
    Path out = scratch.resolve("again");
    Files.createDirectories(scratch.resolve("again.partial"));
    Files.createFile(scratch.resolve("again.partial/recipe.txt"));
    CliRun run = CliRun.of("quantize", "--scheme", "w8a8", "--out", out.toString());
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.err()).contains("again.partial: starting over", "--resume");
    assertThat(scratch.resolve("again.partial")).doesNotExist();
  }

  private Path text() throws IOException {
    String demo = Files.readString(BundledModel.home().resolve("models/demo.txt"));
    return Files.writeString(scratch.resolve("text.txt"), demo.substring(0, 2500));
  }

  @Test
  void damagedWeightsAreTheModelsFaultAndNotOctets() throws IOException {
    Path model = BundledModel.home().resolve("models/octet-tales-5m");
    for (String name : List.of("config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(model.resolve(name), scratch.resolve(name));
    }
    Path weights = scratch.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 1] = 0x7F; // the last BF16 number becomes NaN
    bytes[bytes.length - 2] = (byte) 0xC0;
    Files.write(weights, bytes);
    String dir = scratch.toString();
    assertRefused(CliRun.of("generate", "--model", dir, "--ids", "1"), "NaN", "weights");
    assertRefused(
        CliRun.of("eval", "perplexity", "--model", dir, "--ids", "1,2,3", "--samples", "1"), "NaN");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "quantize --scheme w4a16 --out x --method foo | 'foo' is none of rotation, smoothquant, awq,"
            + " rtn, gptq, hqq, faquant, c8, kv-fp8",
        "quantize --scheme w4a16 --out x --method gptq --act-order up | none of none, static, group",
        "quantize --scheme w8a8 --out x --method kv-fp8 --kv-scales row | none of tensor, head",
        "inject-outliers --out x --at tail | 'tail' is none of norm, key, value, down",
        "inject-outliers --out x --channels 100000 | 100000 outlier channels are too many: this model"
            + " has",
        "bench quantize --method awq | 'awq' is none of rtn, gptq",
        "quantize --scheme w4a16 --group-size 7 --out x | q_proj: groups of 7 do not divide its",
        "quantize --scheme w4a16 --group-size 7 --out x --method gptq | input features; 16,",
        "eval perplexity --text /dev/zero | /dev/zero: is a device; name a text file or a pipe"
      })
  void whatWouldWorkIsNamedAsItIsWritten(String line, String said) {
    CliRun run = CliRun.of(line.split(" "));
    assertThat(run.status()).as(run.err()).isEqualTo(2);
    assertThat(run.err()).contains(said).doesNotContain("[ROTATION", "RTN");
    assertThat(Path.of("x")).doesNotExist();
    assertThat(Path.of("x.partial")).doesNotExist();
  }
}
