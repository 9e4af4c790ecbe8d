package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** {@code --quantization auto} on the bundled model. */
class AutoQuantizationTest {
  @BeforeAll
  static void needsTheBundledModel() {
    assumeTrue(Files.isDirectory(BundledModel.home().resolve("models/octet-tales-5m")));
  }

  @Test
  void theTypeThatWasPickedAndWhyAreSaidInOneLine() {
    CliRun run =
        CliRun.of("generate", "--prompt", "Once", "--max-tokens", "2", "--quantization", "auto");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.errLines().stream().filter(l -> l.startsWith("--quantization auto: ")))
        .singleElement()
        .asString()
        .matches(".*auto: (none|w8a16|w8a8|fp8-dynamic), .*512 tokens read.*takes .* of .*");
  }

  @Test
  void tablesNameWhatWasPicked() {
    String text = BundledModel.home().resolve("models/demo.txt").toString();
    CliRun run =
        CliRun.of(
            "eval", "perplexity", "--text", text, "--samples", "1", "--quantization", "none,auto");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.outLines().stream().filter(l -> l.startsWith("auto "))).isEmpty();
    assertThat(run.outLines().get(2)).matches("(none|w8a16|w8a8|fp8-dynamic) .*");
  }

  @Test
  void whereResultsMustBeTheSameEverywhereItIsRefused() {
    CliRun run =
        CliRun.of("logits", "--ids", "1,2", "--out", "x.safetensors", "--quantization", "auto");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.err()).contains("depends on the machine");
  }
}
