package dev.octet.quantize.sensitivity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MeasurementsTest {
  @TempDir Path dir;

  private static double[] fail() {
    throw new AssertionError("it was known");
  }

  @Test
  void whatAFileHoldsIsNotMeasuredAgain() {
    Path file = dir.resolve("m.journal");
    try (Measurements first = Measurements.open(file, "f", false)) {
      assertThat(first.of("a b", () -> new double[] {1e-300, -0.1, 3})).contains(3);
      assertThat(first.loss("c", () -> new Loss(0.1, -0.2, 0.3)).standardError()).isEqualTo(0.3);
      assertThat(first.of("a b", MeasurementsTest::fail)).containsExactly(1e-300, -0.1, 3);
    }
    try (Measurements again = Measurements.open(file, "f", true)) {
      assertThat(again.size()).isEqualTo(2);
      assertThat(again.of("a b", MeasurementsTest::fail)).containsExactly(1e-300, -0.1, 3);
      assertThat(again.loss("c", () -> new Loss(9, 9, 9))).isEqualTo(new Loss(0.1, -0.2, 0.3));
      again.of("d", () -> new double[] {4});
    }
    try (Measurements anew = Measurements.open(file, "f", false)) {
      assertThat(anew.size()).isZero();
      assertThat(file).hasContent("{\"fingerprint\":\"f\"}");
    }
    assertThat(file).as("it holds nothing").doesNotExist();
  }

  @Property(tries = 20)
  void everyNumberComesBackToTheLastBit(@ForAll double value) throws IOException {
    Path file = Files.createTempFile("octet", ".journal");
    double finite = Double.isFinite(value) ? value : 0;
    try {
      try (Measurements first = Measurements.open(file, "f", false)) {
        first.of("x", () -> new double[] {finite});
      }
      try (Measurements again = Measurements.open(file, "f", true)) {
        assertThat(again.of("x", MeasurementsTest::fail)).containsExactly(finite);
      }
    } finally {
      Files.delete(file);
    }
  }

  @Test
  void aLineThatWasBeingWrittenIsDroppedWhereverItEnds() throws IOException {
    Path file = dir.resolve("m.journal");
    try (Measurements first = Measurements.open(file, "f", false)) {
      first.of("a", () -> new double[] {1});
      first.of("b", () -> new double[] {2, 3});
    }
    byte[] whole = Files.readAllBytes(file);
    int last = new String(whole, StandardCharsets.UTF_8).indexOf("{\"what\":\"b");
    for (int end = last; end < whole.length; end++) {
      Files.write(file, Arrays.copyOf(whole, end));
      try (Measurements again = Measurements.open(file, "f", true)) {
        assertThat(again.size()).as("cut at %d", end).isEqualTo(1);
        again.of("b", () -> new double[] {2, 3});
      }
      assertThat(Files.readAllBytes(file)).isEqualTo(whole);
    }
  }

  @Test
  void othersFilesAndDamagedOnesAreRefused() throws IOException {
    Path file = dir.resolve("m.journal");
    try (Measurements first = Measurements.open(file, "f", false)) {
      first.of("a", () -> new double[] {1});
      assertThatThrownBy(() -> Measurements.open(file, "f", true))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("another run is writing it");
    }
    assertThatThrownBy(() -> Measurements.open(file, "other", true))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("another model, text or machine");
    for (String line :
        new String[] {"{\"what\":\"b\"}", "{\"what\":\"b\",\"values\":[1", "no", ""}) {
      Files.writeString(file, "{\"fingerprint\":\"f\"}\n" + line + "\n");
      assertThatThrownBy(() -> Measurements.open(file, "f", true))
          .as(line)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("line 2 is no measurement");
    }
    Files.writeString(file, "{\"fingerprint\":\"f\"}\n{\"what\":\"b\",\"values\":[1]}\n");
    try (Measurements short_ = Measurements.open(file, "f", true)) {
      assertThatThrownBy(() -> short_.loss("b", () -> new Loss(1, 1, 1)))
          .hasMessageContaining("'b' is no loss");
    }
    Files.writeString(file, "some text of mine, not a journal\n");
    for (boolean resume : new boolean[] {true, false}) {
      assertThatThrownBy(() -> Measurements.open(file, "f", resume))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("something other than measurements");
    }
    assertThat(file).hasContent("some text of mine, not a journal");
    assertThatThrownBy(() -> Measurements.open(dir, "f", false))
        .hasMessageContaining("no plain file");
  }
}
