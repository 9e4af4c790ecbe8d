package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.bench.BenchResult;
import dev.octet.cli.output.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchPrinterTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  @Test
  void theMachineStandsAboveTheTableItBelongsTo() {
    BenchPrinter printer = printer(false);
    printer.accept(row("machine", "512-bit Vector API"));
    printer.accept(row("w8a8", "AVX-512 VNNI"));
    printer.accept(row("w4a8", "AVX-512 VNNI"));
    printer.finish();
    List<String> lines = out.toString(StandardCharsets.UTF_8).lines().toList();
    assertThat(lines.getFirst()).isEqualTo("2 threads, 512-bit Vector API; AVX-512 VNNI");
    assertThat(lines.get(1)).startsWith("variant").contains("input", "d", "n", "causal", "ms");
    assertThat(lines).hasSize(5);
    assertThat(err.size()).isZero();
  }

  @Test
  void jsonHasOneObjectALineAndNothingElse() {
    BenchPrinter printer = printer(true);
    printer.accept(row("w8a8", "AVX-512 VNNI"));
    printer.finish();
    List<String> lines = out.toString(StandardCharsets.UTF_8).lines().toList();
    assertThat(lines).hasSize(1);
    JsonNode row = JsonMapper.shared().readTree(lines.getFirst());
    assertThat(row.propertyNames())
        .containsExactly(
            "bench", "variant", "input", "d", "n", "causal", "threads", "isa", "ms", "tops");
    assertThat(row.get("n").asInt()).isEqualTo(1024);
    assertThat(row.get("ms").asDouble()).isEqualTo(1.5);
    assertThat(err.size()).isZero();
  }

  private BenchPrinter printer(boolean json) {
    return new BenchPrinter(
        Terminal.plain(
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8)),
        json);
  }

  private static BenchResult row(String variant, String isa) {
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("ms", 1.5);
    metrics.put("tops", 0.25);
    return new BenchResult("attention", variant, "decode 32:8", 128, 1024, true, 2, isa, metrics);
  }
}
