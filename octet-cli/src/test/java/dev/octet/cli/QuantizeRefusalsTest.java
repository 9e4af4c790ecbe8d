package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code octet quantize} refuses before it begins: in one line that says what would work. */
class QuantizeRefusalsTest {
  @TempDir private Path dir;

  @BeforeAll
  static void needsTheBundledModel() {
    assumeTrue(Files.isDirectory(BundledModel.directory()));
  }

  private CliRun quantize(String out, String options) {
    List<String> args = new ArrayList<>(List.of("quantize", "--out", dir.resolve(out).toString()));
    args.addAll(Arrays.asList(options.split(" ", -1)));
    return CliRun.of(args.toArray(String[]::new));
  }

  private static void assertRefused(CliRun run, String message) {
    assertThat(run.status()).as(run.err()).isEqualTo(2);
    assertThat(run.errLines()).as(run.err()).filteredOn(l -> l.startsWith("octet: ")).hasSize(1);
    assertThat(run.err()).contains(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      textBlock =
          """
          --scheme w8a8 --format gptq                           | format gptq: model.layers.0.self_attn.q_proj
          --scheme w8a8 --format gptq --method gptq             | formats that can hold it: compressed-tensors, ascend
          --scheme w8a8 --format ascend --ignore *.k_proj       | k_proj is FLOAT beside quantized layers
          --scheme w8a8 --format ascend --ignore *.up_proj --method gptq | up_proj is FLOAT
          --scheme w4a16 --format awq --method gptq --act-order group | act-order
          --scheme fp8-e5m2                                     | format compressed-tensors: model.layers.0
          --scheme w4a16 --format awq --lm-head w8a16           | lm_head: awq has no quantized output layer
          --scheme w8a8 --alpha 0.5                             | --alpha: only --method smoothquant uses it, not rtn
          --scheme w4a16 --method awq --alpha 0.5               | --alpha: only --method smoothquant uses it, not awq
          --scheme w4a16 --method awq --damping 0.02            | --damping: only --method gptq uses it, not awq
          --scheme w4a16 --act-order static                     | --act-order: only --method gptq uses it, not rtn
          --scheme w8a8 --method gptq --rotations R1,R2         | --rotations: only --method rotation uses it, not gptq
          --scheme w8a8 --samples 4                             | --samples: --method rtn looks at no text; smoothquant, awq
          --scheme w4a16-asym --method hqq --calibration x.txt  | --calibration: --method hqq looks at no text
          --scheme w8a8 --sample-length 64                      | --sample-length: --method rtn
          --scheme w8a8 --seed 1                                | --seed: --method rtn looks at no text and turns nothing
          --scheme w8a8 --threads 1                             | --threads: is for steps that look at a text
          --scheme w8a8 --yaml                                  | --yaml is for --explain
          --scheme none --lm-head w8a16 --ignore *.o_proj       | --ignore: --scheme none leaves all layers as they are
          --scheme w4a16 --static-inputs                        | --static-inputs: inputs of w4a16 are a16
          --scheme fp8-block --method gptq                      | --method gptq: is for integer codes, fp8-block has
          --scheme fp8-dynamic --method awq                     | --clip: is for integer codes, fp8-dynamic has
          --scheme w8a8 --method gptq --damping 2               | --damping: damping must be in (0, 1]
          --scheme q4_k --format gguf --resume                  | --resume: --scheme q4_k without a --method writes one file
          --scheme w8a8 --write-recipe /nowhere/r.yaml          | --write-recipe: /nowhere/r.yaml: no such folder /nowhere
          --scheme w8a8 --format gptq --write-recipe r.yaml     | format gptq: model.layers.0
          --auto --size 4MB --format gguf                       | --auto: has no mixes of GGUF's types
          --format gguf --recipe /nowhere.yaml                  | --recipe says it all: leave out --format
          --auto --size 4MB --candidates none,w8a8 --format awq | --candidates: w8a8 in format awq: model.layers.0
          --auto --size 4MB --html /nowhere/auto.html           | --html: /nowhere/auto.html: no such folder
          --auto --size 4MB --write-recipe /nowhere/r.yaml      | --write-recipe: /nowhere/r.yaml: no such folder
          --auto --size 4MB --format fp8                        | format fp8 holds no candidates besides [none]
          --auto --size 4MB --method gptq --alpha 0.5           | --alpha: only --method smoothquant uses it, not gptq
          """)
  void nothingIsDoneAndNothingLeft(String options, String message) {
    String out = options.toLowerCase(Locale.ROOT).contains("gguf") ? "x.gguf" : "x";
    assertRefused(quantize(out, options), message);
    assertThat(dir).isEmptyDirectory();
    assertThat(Path.of("r.yaml")).doesNotExist();
  }

  /** What is in the way of the result does not cost the hours before it. */
  @Test
  void anOutputInTheWayIsRefusedBeforeAnythingIsMeasured() throws IOException {
    Files.writeString(Files.createDirectories(dir.resolve("notes")).resolve("a.txt"), "mine");
    Path there = Files.createDirectories(dir.resolve("there"));
    for (String name : List.of("config.json", "model.safetensors")) {
      Files.copy(BundledModel.directory().resolve(name), there.resolve(name));
    }
    String auto = "--auto --size 4MB";
    Map<CliRun, String> runs =
        Map.of(
            quantize("m.gguf", auto), "--format gguf writes a file",
            quantize("notes", auto), "holds something other than a model",
            quantize("there", auto), "there: exists; --force replaces it",
            quantize("m", auto + " --write-recipe " + dir.resolve("m")), "is --out");
    runs.forEach(
        (run, message) -> {
          assertRefused(run, message);
          assertThat(run.err()).as("nothing was computed").doesNotContain("kernels");
        });
    assertThat(dir).isDirectoryNotContaining(p -> !p.endsWith("notes") && !p.endsWith("there"));
  }

  @Test
  void patternsThatMeanNothingAreToldUnderCalibrationToo() {
    for (String method : List.of("rtn", "gptq --samples 2 --sample-length 32")) {
      CliRun run =
          quantize("out" + method.length(), "--scheme w8a8 --ignore *.no_proj --method " + method);
      assertThat(run.status()).as(run.err()).isZero();
      assertThat(run.err()).contains("'*.no_proj' is no layer of this model");
    }
    CliRun file = quantize("m.gguf", "--scheme q8_0 --format gguf --ignore *.no_proj");
    assertThat(file.err()).contains("'*.no_proj' is no layer of this model");
  }

  /** The choice is made among mixes that the format holds: groups of one size. */
  @Test
  void anAutomaticMixFitsItsFormat() throws IOException {
    CliRun run =
        quantize(
            "auto",
            "--auto --size 5MiB --samples 1 --sample-length 64 --format ascend"
                + " --candidates w8a16,w4a16:32,w4a16:64");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(Files.readString(dir.resolve("auto/quant_model_description.json")))
        .contains("W4A16", "W8A16");
  }

  /** A file that cannot be stored does not cost the work of hours. */
  @Test
  void whatAMethodMadeIsStoredLater() throws IOException {
    String options =
        "--scheme q4_0 --format gguf --method gptq --samples 2 --sample-length 64 --force";
    Path file = dir.resolve("m.gguf");
    Path layers = dir.resolve("m.gguf.layers");
    assertThat(quantize("m.gguf", options).status()).isZero();
    byte[] want = Files.readAllBytes(file);
    assertThat(layers).doesNotExist();

    Files.delete(file);
    Path in = Files.createDirectories(dir.resolve("in"));
    for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
      Files.copy(BundledModel.directory().resolve(name), in.resolve(name));
    }
    Files.writeString(in.resolve("tokenizer_config.json"), "{"); // read when the file is stored
    CliRun broken = quantize("m.gguf", options + " --model " + in);
    assertRefused(broken, "tokenizer_config.json: not valid JSON");
    assertThat(broken.err()).contains("holds the quantized layers: --resume stores them");
    assertThat(layers).isDirectory();
    assertThat(file).doesNotExist();

    Files.delete(in.resolve("tokenizer_config.json"));
    assertRefused(
        quantize("m.gguf", options + " --resume --damping 0.02 --model " + in),
        "was made with other settings");
    CliRun resumed = quantize("m.gguf", options + " --resume --model " + in);
    assertThat(resumed.status()).as(resumed.err()).isZero();
    assertThat(resumed.err()).as("nothing was calibrated").doesNotContain("kernels");
    assertThat(layers).doesNotExist();
    assertThat(Files.size(file)).isBetween(want.length - 64L, want.length + 64L);
  }
}
