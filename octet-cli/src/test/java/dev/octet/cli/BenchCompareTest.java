package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.bench.BenchResult;
import dev.octet.bench.PeerTime;
import dev.octet.cli.output.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --compare} without the optional part, and what rows beside peers print. */
class BenchCompareTest {
  private static final BenchResult ROW =
      new BenchResult(
              "linear",
              "w8a8",
              "64x32",
              null,
              7,
              null,
              2,
              "AVX2",
              new LinkedHashMap<>(Map.of("ms", 2.0)))
          .beside(List.of(new PeerTime("x bf16", 5, 2.5), new PeerTime("y int8", 1, 0.5)));

  private static final BenchResult PEER =
      new BenchResult(
          "linear",
          "x bf16",
          "64x32",
          null,
          7,
          null,
          2,
          "AVX",
          new LinkedHashMap<>(Map.of("ms", 5.0)));

  private static String print(boolean json) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PrintStream nowhere =
        new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8);
    Terminal terminal = Terminal.plain(new PrintStream(out, true, StandardCharsets.UTF_8), nowhere);
    BenchPrinter printer = new BenchPrinter(terminal, json);
    printer.accept(ROW);
    printer.accept(PEER);
    printer.finish();
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void jsonHasAnObjectForEveryPeerWithItsTimeAndRatio() {
    String head =
        "{\"bench\":\"linear\",\"variant\":\"w8a8\",\"input\":\"64x32\",\"d\":null,\"n\":7,"
            + "\"causal\":null,\"threads\":2,\"isa\":\"AVX2\",\"ms\":2.0,";
    assertThat(print(true).lines())
        .containsExactly(
            head + "\"peer\":\"x bf16\",\"peer_ms\":5.0,\"ratio\":2.5}",
            head + "\"peer\":\"y int8\",\"peer_ms\":1.0,\"ratio\":0.5}",
            "{\"bench\":\"linear\",\"variant\":\"x bf16\",\"input\":\"64x32\",\"d\":null,\"n\":7,"
                + "\"causal\":null,\"threads\":2,\"isa\":\"AVX\",\"ms\":5.0}");
  }

  @Test
  void theTableHasAColumnForEveryPeerAndARowOfItsOwn() {
    assertThat(print(false).lines())
        .containsExactly(
            "2 threads, AVX2; AVX",
            "variant  input  n    ms  vs x bf16  vs y int8",
            "w8a8     64x32  7  2.00      2.50×      0.50×",
            "x bf16   64x32  7  5.00");
  }

  @ParameterizedTest
  @ValueSource(strings = {"linear", "attention", "model"})
  void withoutTheOptionalPartItIsOneLineAndStatusTwo(String bench) {
    CliRun run = CliRun.of("bench", bench, "--compare");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.out()).isEmpty();
    assertThat(run.errLines()).hasSize(1);
    assertThat(run.err()).startsWith("octet: ").contains("--compare", "optional part");
  }

  @Test
  void accuracyHasItsYardsticksBuiltInAndRefusesPeers() {
    CliRun run = CliRun.of("bench", "accuracy", "--compare");
    assertThat(run.status()).isEqualTo(2);
    assertThat(run.errLines()).hasSize(1);
  }
}
