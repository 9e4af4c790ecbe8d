package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/**
 * What rotation is for: four bits for weights, activations and cache, by the commands of {@code
 * docs/quantizing.md} on fewer windows of the same held-out text.
 */
@Tag("slow")
class RotationProofTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final Path MODEL = BundledModel.home().resolve("models/octet-tales-5m");
  private static final Path TEXT =
      BundledModel.home()
          .resolveSibling("shared")
          .resolve("data/childrens-and-classics/Lewis_Carroll_Through_the_Looking_Glass.txt");

  @TempDir private Path scratch;

  @BeforeEach
  void needsModelAndText() {
    assumeTrue(Files.isDirectory(MODEL), "no bundled model");
    assumeTrue(Files.isRegularFile(TEXT), "no shared test data at " + TEXT);
  }

  private static CliRun ended(String... arguments) {
    CliRun run = CliRun.of(arguments);
    assertThat(run.status()).as(run.err()).isZero();
    return run;
  }

  private static double perplexity(Path model, String cache) {
    List<String> arguments = new ArrayList<>(List.of("eval", "perplexity", "--json"));
    arguments.addAll(List.of("--model", model.toString(), "--text", TEXT.toString()));
    arguments.addAll(List.of("--samples", "8", "--kv-cache-dtype", cache));
    String line = ended(arguments.toArray(String[]::new)).outLines().getFirst();
    return JSON.readTree(line).get("perplexity").asDouble();
  }

  /** In four bits throughout. */
  private double quantized(Path model, String name, String... method) {
    Path out = scratch.resolve(name);
    List<String> arguments = new ArrayList<>(List.of("quantize", "--scheme", "w4a4"));
    arguments.addAll(List.of("--model", model.toString(), "--out", out.toString()));
    arguments.addAll(List.of(method));
    ended(arguments.toArray(String[]::new));
    return perplexity(out, "int4");
  }

  @Test
  void rotationMakesFourBitsEverywhereUsableWhereRoundingToNearestCollapses() {
    double before = perplexity(MODEL, "bf16");
    Path outliers = scratch.resolve("outliers");
    ended(
        "inject-outliers",
        "--model",
        MODEL.toString(),
        "--out",
        outliers.toString(),
        "--at",
        "norm,down",
        "--exponent",
        "5");
    assertThat(perplexity(outliers, "bf16")).isCloseTo(before, within(1e-3 * before));
    double rounded = quantized(outliers, "rounded");
    double folded = quantized(outliers, "folded", "--method", "rotation");
    double turned =
        quantized(outliers, "turned", "--method", "rotation,gptq", "--rotations", "R1,R2,R4");
    assertThat(rounded).isGreaterThan(10 * before);
    assertThat(folded).isLessThan(rounded / 10);
    assertThat(turned).isLessThan(1.15 * before);
  }
}
