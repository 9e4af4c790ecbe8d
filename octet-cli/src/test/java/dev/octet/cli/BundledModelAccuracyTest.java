package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** What quantizing may cost the model that comes along, on the text that comes along. */
class BundledModelAccuracyTest {
  private static final JsonMapper JSON = new JsonMapper();

  /** Changes of perplexity, one a combination. */
  private static List<Double> changes(String... options) {
    List<String> all = new ArrayList<>(List.of("eval", "perplexity", "--json", "--text"));
    all.add(BundledModel.home().resolve("models/demo.txt").toString());
    all.addAll(List.of(options));
    CliRun run = CliRun.of(all.toArray(String[]::new));
    assertThat(run.status()).as(run.err()).isZero();
    return run.outLines().stream()
        .map(line -> JSON.readTree(line).path("change").asDouble(0))
        .toList();
  }

  @Test
  void eightBitsOfWeightsActivationsAttentionAndCacheTogetherCostAtMostHalfAPercent() {
    List<Double> alone = changes("--quantization", "none,w8a8,fp8");
    assertThat(alone.get(1)).isLessThan(0.005);
    assertThat(alone.get(2)).as("FP8 weights").isLessThan(0.003);
    List<Double> all =
        changes("--quantization", "none,w8a8", "--attention", "int8", "--kv-cache-dtype", "int8");
    assertThat(all.getLast()).isLessThan(0.005);
    assertThat(all.getLast() - alone.get(1)).as("attention and cache").isLessThan(0.0015);
  }
}
