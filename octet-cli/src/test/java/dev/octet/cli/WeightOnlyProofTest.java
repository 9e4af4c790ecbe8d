package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What GPTQ and AWQ are for: four bits for weights alone, calibrated on the text that comes along
 * and measured on one that the model was not trained on, as divergence from the original, which
 * tells methods apart on far fewer tokens than perplexity.
 */
@Tag("slow")
class WeightOnlyProofTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Path MODEL = BundledModel.home().resolve("models/octet-tales-5m");
  private static final Path TEXT =
      BundledModel.home()
          .resolveSibling("shared")
          .resolve("data/childrens-and-classics/L_Frank_Baum_Ozma_of_Oz.txt");

  @TempDir private Path scratch;

  private static List<String> ended(String... arguments) {
    CliRun run = CliRun.of(arguments);
    assertThat(run.status()).as(run.err()).isZero();
    return run.outLines();
  }

  private String quantized(String method) {
    String out = scratch.resolve(method).toString();
    ended(
        "quantize", "--scheme", "w4a16", "--model", MODEL.toString(), "--out", out, "--method",
        method);
    return out;
  }

  @Test
  void gptqAndAwqStayCloserToTheOriginalThanRoundingToNearest() {
    assumeTrue(Files.isDirectory(MODEL), "no bundled model");
    assumeTrue(Files.isRegularFile(TEXT), "no shared test data at " + TEXT);
    List<String> lines =
        ended(
            "eval",
            "compare",
            MODEL.toString(),
            quantized("rtn"),
            quantized("gptq"),
            quantized("awq"),
            "--text",
            TEXT.toString(),
            "--samples",
            "16",
            "--json");
    Map<String, Double> divergence = new HashMap<>();
    for (String line : lines) {
      JsonNode row = JSON.readTree(line);
      if (row.has("kl_mean")) {
        divergence.put(row.get("variant").asString(), row.get("kl_mean").asDouble());
      }
    }
    assertThat(divergence).containsKeys("rtn", "gptq", "awq");
    assertThat(divergence.get("gptq")).isLessThan(0.75 * divergence.get("rtn"));
    assertThat(divergence.get("awq")).isLessThan(0.9 * divergence.get("rtn"));
  }
}
