package dev.octet.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.tensor.DenseWeight;
import dev.octet.tensor.RowTable;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufWriterTest {
  @TempDir Path dir;

  private static RowTable values(int rows, int columns) {
    Random random = new Random(4);
    float[] x = new float[rows * columns];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextGaussian();
    }
    return new DenseWeight(Tensor.ofFloats(x, rows, columns));
  }

  private static GgufWriter.Spec spec(String name, GgufType type, long... shape) {
    return new GgufWriter.Spec(name, type, shape);
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void metadataAndTensorsComeBack() {
    Path file = dir.resolve("m.gguf");
    GgufEntries metadata =
        new GgufEntries()
            .text("general.architecture", "none ✓")
            .whole("n", -1)
            .real("r", 0.5)
            .flag("f", true)
            .texts("t", List.of("a", "", "ü"))
            .reals("s", new float[] {1, -2.5f})
            .wholes("w", new int[] {-3, 7});
    RowTable a = values(5, 64);
    RowTable b = values(1, 7);
    try (GgufWriter writer =
        GgufWriter.create(
            file,
            metadata,
            List.of(spec("a", GgufType.Q8_0, 5, 64), spec("b", GgufType.F32, 7)),
            false)) {
      writer.write("b", b); // in any order
      writer.write("a", a);
      writer.finish();
    }
    try (GgufFile gguf = GgufFile.open(file)) {
      GgufMetadata m = gguf.metadata();
      assertThat(m.text("general.architecture")).contains("none ✓");
      assertThat(m.values().get("n")).isEqualTo(new GgufValue.Whole(0xFFFFFFFFL));
      assertThat(m.number("r")).hasValue(0.5);
      assertThat(m.flag("f", false)).isTrue();
      assertThat(m.texts("t")).containsExactly("a", "", "ü");
      assertThat(m.numbers("s")).containsExactly(1, -2.5f);
      assertThat(m.numbers("w")).containsExactly(-3, 7);
      assertThat(gguf.dense("b").orElseThrow().toFloats()).hasSize(7);
      float[] row = new float[64];
      float[] want = new float[64];
      gguf.rows("a").dequantizeRow(3, row);
      a.dequantizeRow(3, want);
      for (int j = 0; j < 64; j++) {
        assertThat(Math.abs(row[j] - want[j])).isLessThan(0.03f);
      }
    }
  }

  @Test
  void aFileThatIsThereStaysUnlessReplaced() throws IOException {
    Path file = Files.writeString(dir.resolve("m.gguf"), "mine");
    List<GgufWriter.Spec> specs = List.of(spec("b", GgufType.F32, 7));
    assertThatThrownBy(() -> GgufWriter.create(file, new GgufEntries(), specs, false))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("--force");
    assertThat(Files.readString(file)).isEqualTo("mine");
    try (GgufWriter writer = GgufWriter.create(file, new GgufEntries(), specs, true)) {
      writer.write("b", values(1, 7));
      assertThat(Files.readString(file)).isEqualTo("mine");
      writer.finish();
    }
    assertThat(GgufHeader.read(file).tensors()).hasSize(1);
    assertThat(left()).containsExactly("m.gguf");
  }

  @Test
  void nothingIsLeftOfAFileThatWasNotFinished() throws IOException {
    Path file = dir.resolve("m.gguf");
    List<GgufWriter.Spec> specs = List.of(spec("b", GgufType.F16, 7), spec("c", GgufType.F16, 7));
    try (GgufWriter writer = GgufWriter.create(file, new GgufEntries(), specs, false)) {
      writer.write("b", values(1, 7));
      assertThatThrownBy(writer::finish)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("c");
    }
    assertThat(left()).isEmpty();
  }

  @Test
  void weightsThatAreNoNumbersAreRefusedByTheirPlace() {
    Path file = dir.resolve("m.gguf");
    Tensor poisoned = Tensor.ofFloats(new float[64], 2, 32);
    poisoned.setFloat(40, Float.NaN);
    List<GgufWriter.Spec> specs = List.of(spec("b", GgufType.Q4_0, 2, 32));
    try (GgufWriter writer = GgufWriter.create(file, new GgufEntries(), specs, false)) {
      assertThatThrownBy(() -> writer.write("b", new DenseWeight(poisoned)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("b: element [1, 8] is NaN");
    }
  }

  @Test
  void rowsThatAreNoWholeBlocksCannotBeDeclared() {
    assertThatThrownBy(() -> spec("b", GgufType.Q4_K, 2, 128)).hasMessageContaining("rows of 128");
    assertThatThrownBy(() -> spec("b", GgufType.Q2_K, 2, 256)).hasMessageContaining("Q2_K");
  }
}
