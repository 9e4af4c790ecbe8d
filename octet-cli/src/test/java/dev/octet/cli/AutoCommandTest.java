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
  @TempDir private Path scratch;

  @BeforeAll
  static void needsTheBundledModel() {
    assumeTrue(Files.isDirectory(BundledModel.home().resolve("models/octet-tales-5m")));
  }

  private static CliRun auto(String... more) {
    List<String> args = new ArrayList<>(List.of("quantize", "--auto"));
    args.addAll(List.of("--candidates", "w8a16,w4a16:64", "--samples", "1"));
    args.addAll(List.of("--sample-length", "64"));
    args.addAll(List.of(more));
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
  void aBudgetThatIsNoneOrOutOfReachIsRefused() {
    String out = scratch.resolve("x").toString();
    assertThat(auto("--out", out).err()).contains("--auto takes one of");
    assertThat(auto("--out", out, "--size", "4MB", "--max-loss", "1").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--max-loss", "-1%").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--min-speed", "0").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--size", "4MB", "--scheme", "w8a8").status()).isEqualTo(2);
    assertThat(auto("--out", out, "--size", "10KB").err()).contains("the smallest takes");
    CliRun alone = CliRun.of("quantize", "--out", out, "--scheme", "w8a8", "--size", "4MB");
    assertThat(alone.status()).isEqualTo(2);
    assertThat(alone.err()).contains("belong to --auto");
    assertThat(scratch).isEmptyDirectory();
  }
}
