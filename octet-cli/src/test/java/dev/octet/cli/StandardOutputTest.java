package dev.octet.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.cli.output.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StandardOutputTest {
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();
  private final ErrorReport errors =
      new ErrorReport(
          Terminal.plain(
              new PrintStream(OutputStream.nullOutputStream(), true, StandardCharsets.UTF_8),
              new PrintStream(said, true, StandardCharsets.UTF_8)),
          false);

  /** What a device does that says {@code message} to every write. */
  private static StandardOutput failing(String message) {
    return new StandardOutput(
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException(message);
          }
        });
  }

  private static void print(StandardOutput results) {
    try (PrintStream stream = new PrintStream(results, true, StandardCharsets.UTF_8)) {
      stream.println("a result");
    }
  }

  @ParameterizedTest
  @CsvSource({"0,2", "1,1", "2,2", "70,70"})
  void resultsThatAFullDiskLostAreNoSuccess(int status, int expected) {
    StandardOutput results = failing("No space left on device");
    print(results);
    assertThat(results.statusAfter(status, errors)).isEqualTo(expected);
    assertThat(said.toString(StandardCharsets.UTF_8))
        .isEqualTo("octet: standard output: No space left on device" + System.lineSeparator());
  }

  @Test
  void aReaderThatWentAwayIsNoError() {
    StandardOutput results = failing("Broken pipe");
    print(results);
    assertThat(results.statusAfter(0, errors)).isZero();
    assertThat(said.size()).isZero();
  }

  @Test
  void whatArrivesKeepsItsStatus() {
    ByteArrayOutputStream arrived = new ByteArrayOutputStream();
    StandardOutput results = new StandardOutput(arrived);
    print(results);
    results.statusAfter(0, errors);
    assertThat(arrived.toString(StandardCharsets.UTF_8))
        .isEqualTo("a result" + System.lineSeparator());
    assertThat(results.statusAfter(1, errors)).isEqualTo(1);
    assertThat(said.size()).isZero();
  }
}
