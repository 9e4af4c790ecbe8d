package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code quantize --auto} on the bundled model. */
class AutoCommandTest {
  private static final String WEIGHTS = "model.safetensors";

  @TempDir private Path scratch;

  @BeforeAll
  static void needsTheBundledModel() {
    assumeTrue(Files.isDirectory(BundledModel.home().resolve("models/octet-tales-5m")));
  }

  private static CliRun auto(String... more) {
    List<String> args = new ArrayList<>(List.of("quantize", "--auto"));
    args.addAll(List.of("--samples", "1", "--sample-length", "64"));
    args.addAll(List.of(more));
    if (!args.contains("--candidates")) {
      args.addAll(List.of("--candidates", "w8a16,w4a16:64"));
    }
    return CliRun.of(args.toArray(String[]::new));
  }

  @Test
  void aMixIsChosenWrittenAndRepeatedByItsRecipe() throws IOException {
    Path out = scratch.resolve("mixed");
    Path html = scratch.resolve("auto.html");
    CliRun run = auto("--size", "4.8MiB", "--out", out.toString(), "--html", html.toString());
    assertThat(run.status()).as(run.err()).isZero();
    assertThat(run.out()).contains("KL predicted", "all w8a16", "chosen", "35 layers as");
    assertThat(Files.readString(html)).contains("Size against loss", "gate_up");
    Path recipe = out.resolve("recipe.yaml");
    assertThat(Files.readString(recipe)).contains("w8a16", "w4a16", "group-size: 64");
    Path again = scratch.resolve("again");
    CliRun repeated =
        CliRun.of("quantize", "--recipe", recipe.toString(), "--out", again.toString());
    assertThat(repeated.status()).as(repeated.err()).isZero();
    assertThat(again.resolve("model.safetensors"))
        .hasSameBinaryContentAs(out.resolve("model.safetensors"));
  }

  @Test
  void measurementsAreKeptWhereTheyAreWantedAndServeAnotherBudget() throws IOException {
    Path journal = scratch.resolve("kept");
    String kept = journal.toString();
    CliRun first =
        auto("--size", "4.8MiB", "--out", scratch.resolve("a").toString(), "--journal", kept);
    assertThat(first.status()).as(first.err()).isZero();
    List<String> lines = Files.readAllLines(journal);
    assertThat(lines).hasSizeGreaterThan(40);
    CliRun second =
        auto(
            "--size",
            "4.6MiB",
            "--out",
            scratch.resolve("b").toString(),
            "--journal",
            kept,
            "--resume");
    assertThat(second.status()).as(second.err()).isZero();
    assertThat(second.err()).contains("measurements are known already");
    assertThat(Files.readAllLines(journal).subList(0, lines.size())).isEqualTo(lines);
    CliRun other =
        auto(
            "--seed",
            "7",
            "--size",
            "4.6MiB",
            "--out",
            scratch.resolve("c").toString(),
            "--journal",
            kept,
            "--resume");
    assertThat(other.status()).isEqualTo(2);
    assertThat(other.err()).contains("measurements of another model, text or machine");
    try (var files = Files.list(scratch)) {
      assertThat(files.map(f -> f.getFileName().toString()))
          .containsExactlyInAnyOrder("a", "b", "kept");
    }
  }

  /** The choice is made by rounding to nearest; what is written is the method's. */
  @Test
  void theFinalRoundingIsTheMethods() throws IOException {
    Path nearest = scratch.resolve("rtn");
    Path gptq = scratch.resolve("gptq");
    for (Path out : List.of(nearest, gptq)) {
      CliRun run =
          auto("--size", "4.8MiB", "--out", out.toString(), "--method", "" + out.getFileName());
      assertThat(run.status()).as(run.err()).isZero();
    }
    assertThat(Files.readString(gptq.resolve("recipe.yaml"))).contains("gptq");
    assertThat(Files.readString(gptq.resolve("config.json")))
        .as("the same schemes")
        .isEqualTo(Files.readString(nearest.resolve("config.json")));
    assertThat(Files.mismatch(gptq.resolve(WEIGHTS), nearest.resolve(WEIGHTS)))
        .as("other codes")
        .isNotNegative();
  }

  @Test
  void aBudgetThatIsNoneOrOutOfReachIsRefused() {
    String out = scratch.resolve("x").toString();
    assertThat(auto("--out", out).err()).contains("--auto takes one of");
    assertThat(auto("--out", out, "--size", "4MB", "--max-loss", "1").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--max-loss", "-1%").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--min-speed", "0").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--size", "4MB", "--scheme", "w8a8").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--size", "10KB").err()).contains("the smallest takes");
    assertThat(auto("--out", out, "--size", "4MB", "--candidates", "w8a16,w4a16:7").err())
        .contains("groups of 7 do not divide");
    CliRun alone = CliRun.of("quantize", "--out", out, "--scheme", "w8a8", "--size", "4MB");
    assertThat(alone.status()).isEqualTo(2);
    assertThat(alone.err()).contains("belong to --auto");
    assertThat(scratch).isEmptyDirectory();
  }
}
