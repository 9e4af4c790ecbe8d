package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class VerifyCommandTest {
  @TempDir private Path dir;

  /** A case that passes: a file too short for what it is said to be. */
  private void refused(String id) throws IOException {
    Path directory = Files.createDirectories(dir.resolve(id));
    Files.writeString(directory.resolve("model.safetensors"), "no");
    Files.writeString(
        directory.resolve("case.json"),
        "{\"kind\": \"malformed\", \"open\": \"model.safetensors\"}");
  }

  /** A case that fails: its input is absent. */
  private void failing(String id) throws IOException {
    refused(id);
    Files.delete(dir.resolve(id).resolve("model.safetensors"));
  }

  @Test
  void aLineACaseAndStatusZeroWhenAllPass() throws IOException {
    refused("bad_a");
    refused("bad_b");
    CliRun run = CliRun.of("verify", dir.toString(), "--provider", "reference", "--threads", "1");
    assertThat(run.err()).isEmpty();
    assertThat(run.outLines()).hasSize(3);
    assertThat(run.outLines().getFirst())
        .startsWith("PASS bad_a refused: ")
        .contains("model.safetensors: 2 bytes are too short");
    assertThat(run.outLines().getLast())
        .startsWith("2 cases: 2 passed, 0 failed, 0 skipped (reference, ");
    assertThat(run.status()).isZero();
  }

  @Test
  void oneFailureIsStatusOne() throws IOException {
    refused("bad_a");
    failing("bad_b");
    CliRun run = CliRun.of("verify", dir.toString(), "--threads", "1");
    assertThat(run.outLines().get(1)).startsWith("FAIL bad_b ");
    assertThat(run.status()).isEqualTo(1);
  }

  @Test
  void casesMayBeNamedOneByOneOrFiltered() throws IOException {
    refused("bad_a");
    failing("bad_b");
    assertThat(CliRun.of("verify", dir.resolve("bad_a").toString()).status()).isZero();
    CliRun run = CliRun.of("verify", dir.toString(), "--filter", "*_a");
    assertThat(run.outLines()).hasSize(2);
    assertThat(run.status()).isZero();
  }

  @Test
  void jsonIsAnObjectALine() throws IOException {
    refused("bad_a");
    CliRun run = CliRun.of("verify", dir.toString(), "--json", "--threads", "1");
    assertThat(run.outLines()).hasSize(2).allMatch(l -> l.startsWith("{") && l.endsWith("}"));
    assertThat(run.outLines().getFirst())
        .contains("\"case\":\"bad_a\"", "\"status\":\"PASS\"", "\"message\":\"refused: ");
    assertThat(run.outLines().getLast()).contains("\"passed\":1", "\"failed\":0");
  }

  @Test
  void badInputIsOneLineAndStatusTwo() throws IOException {
    refused("bad_a");
    for (String[] args :
        new String[][] {
          {"verify"},
          {"verify", dir.resolve("absent").toString()},
          {"verify", dir.resolve("bad_a/model.safetensors").toString()},
          {"verify", dir.toString(), "--filter", "x*"},
          {"verify", dir.toString(), "--provider", "gpu"},
          {"verify", dir.toString(), "--threads", "-1"}
        }) {
      CliRun run = CliRun.of(args);
      assertThat(run.status()).as(String.join(" ", args)).isEqualTo(2);
      assertThat(run.errLines()).hasSize(1);
      assertThat(run.out()).isEmpty();
    }
    assertThat(CliRun.of("verify", dir.toString(), "--provider", "gpu").err())
        .contains("choose one of auto, cpu, vector, reference");
  }
}
