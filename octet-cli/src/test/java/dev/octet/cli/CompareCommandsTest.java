package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code eval compare} and {@code analyze} on the bundled model. */
class CompareCommandsTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  @TempDir private Path scratch;

  @BeforeAll
  static void needsTheBundledModel() {
    assumeTrue(Files.isDirectory(BundledModel.home().resolve("models/octet-tales-5m")));
  }

  private static String model() {
    return BundledModel.directory().toString();
  }

  private static String text() {
    return BundledModel.home().resolve("models/demo.txt").toString();
  }

  @Test
  void modelsAreHeldAgainstTheOriginalInOneTable() throws IOException {
    Path html = scratch.resolve("r.html");
    CliRun run =
        CliRun.of(
            "eval",
            "compare",
            model(),
            "w8a16",
            model() + "@w4a16",
            "--text",
            text(),
            "--samples",
            "2",
            "--rounds",
            "1",
            "--ignore",
            "*.no_proj",
            "--html",
            html.toString());
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.err()).contains("--ignore *.no_proj: no layer of this model");
    assertThat(run.out())
        .contains("KL mean", "same top", "@w8a16", "@w4a16", "layers that add most", "fine: under");
    assertThat(Files.readString(html))
        .contains("<svg", "Residual stream", "Speed against", "Layers that add most to the error");
  }

  @Test
  void jsonHasALineAModelAndFewerBitsAreFartherAway() throws IOException {
    CliRun run =
        CliRun.of(
            "eval",
            "compare",
            model(),
            "w8a16",
            "w4a16",
            "--text",
            text(),
            "--samples",
            "2",
            "--rounds",
            "0",
            "--json");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.outLines()).hasSize(3);
    JsonNode eight = JSON.readTree(run.outLines().get(1));
    JsonNode four = JSON.readTree(run.outLines().get(2));
    assertThat(JSON.readTree(run.outLines().getFirst()).has("kl_mean")).isFalse();
    assertThat(eight.get("kl_mean").asDouble())
        .isPositive()
        .isLessThan(four.get("kl_mean").asDouble() / 10);
    assertThat(eight.get("top1_agreement").asDouble())
        .isGreaterThan(four.get("top1_agreement").asDouble());
    assertThat(four.get("layer_4_error").asDouble()).isGreaterThan(0.02);
    assertThat(four.get("worst_layers").size()).isBetween(1, 3);
    for (JsonNode worst : four.get("worst_layers")) {
      String error = "layer_" + worst.get("layer").asInt() + "_error";
      assertThat(worst.get("error").asDouble()).isEqualTo(four.get(error).asDouble());
      assertThat(worst.get("growth").asDouble()).isPositive();
    }
    assertThat(four.has("prefill_tokens_per_s")).isFalse();
  }

  @Test
  void whatIsNeitherDirectoryNorSchemeIsRefused() {
    for (String wrong : new String[] {"nothing-of-that-name", "no-dir@w8a8", "@w5"}) {
      CliRun run = CliRun.of("eval", "compare", model(), wrong, "--text", text());
      assertThat(run.status()).as(wrong).isEqualTo(2);
      assertThat(run.err().lines().filter(l -> l.startsWith("octet: "))).hasSize(1);
    }
  }

  @Test
  void everyLayerIsRankedAndTheReportHoldsCharts() throws IOException {
    Path html = scratch.resolve("layers.html");
    CliRun run =
        CliRun.of(
            "analyze",
            "--schemes",
            "w4a16",
            "--samples",
            "1",
            "--sample-length",
            "64",
            "--top",
            "3",
            "--html",
            html.toString());
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.out()).contains("KL, mnat", "kurtosis", "all at once", "most sensitive of 35");
    assertThat(Files.readString(html))
        .contains("One whole layer quantized", "model.layers.4.mlp.down_proj", "Tails of the");
  }

  @Test
  void jsonOfAnAnalysisNamesEveryLinearLayer() throws IOException {
    CliRun run =
        CliRun.of(
            "analyze",
            "--schemes",
            "w8a8",
            "--samples",
            "1",
            "--sample-length",
            "32",
            "--json",
            "--no-losses");
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.outLines()).hasSize(36);
    JsonNode first = JSON.readTree(run.outLines().getFirst());
    assertThat(first.get("module").asString()).isEqualTo("model.layers.0.self_attn.q_proj");
    assertThat(first.get("weight_snr_db").asDouble()).isGreaterThan(30);
    assertThat(first.has("kl")).isFalse();
    assertThat(CliRun.of("analyze", "--schemes", "none").status()).isEqualTo(2);
    assertThat(CliRun.of("analyze", "--sample-length", "9999").status()).isEqualTo(2);
  }
}
