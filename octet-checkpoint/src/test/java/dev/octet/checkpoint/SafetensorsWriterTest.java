package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.checkpoint.internal.Texts;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
  private static final List<DType> TYPES =
      List.of(DType.F32, DType.BF16, DType.I8, DType.I64, DType.F8_E4M3, DType.U8, DType.I32);

  @TempDir Path dir;

  @Property(tries = 40)
  void whatIsWrittenIsReadBitForBit(@ForAll long seed, @ForAll @IntRange(min = 0, max = 9) int n)
      throws IOException {
    Path file = Files.createTempFile("octet", ".safetensors");
    try {
      Map<String, Tensor> tensors = random(new Random(seed), n);
      SafetensorsWriter.write(file, tensors);
      try (SafetensorsFile read = SafetensorsFile.open(file)) {
        assertThat(read.tensors().keySet()).isEqualTo(tensors.keySet());
        assertThat((8 + read.headerBytes()) % 8).isZero();
        tensors.forEach(
            (name, t) -> {
              assertThat(read.tensor(name)).hasToString(t.toString());
              assertThat(read.tensor(name).segment().mismatch(t.segment())).isEqualTo(-1);
            });
      }
    } finally {
      Files.delete(file);
    }
  }

  private static Map<String, Tensor> random(Random random, int n) {
    Map<String, Tensor> tensors = new TreeMap<>();
    for (int i = 0; i < n; i++) {
      long[] shape = random.longs(random.nextInt(4), 0, 5).toArray();
      Tensor t = Tensor.allocate(Arena.ofAuto(), TYPES.get(random.nextInt(TYPES.size())), shape);
      byte[] bytes = new byte[(int) t.byteSize()];
      random.nextBytes(bytes);
      t.segment().copyFrom(MemorySegment.ofArray(bytes));
      tensors.put("lay\"er.ü." + i, t);
    }
    return tensors;
  }

  @Test
  void aDeviceIsNotReplacedByAFile() throws IOException {
    Path device = Path.of("/dev/null");
    assumeTrue(Files.exists(device));
    Path link = Files.createSymbolicLink(dir.resolve("device"), device);
    Map<String, Tensor> tensors = Map.of("a", Tensor.ofFloats(new float[] {1}, 1));
    assertThatThrownBy(() -> SafetensorsWriter.write(link, tensors))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(link + ": cannot be written: what has this name is no plain file");
    assertThat(link).isSymbolicLink();
    assertThat(dir.toFile().list()).containsExactly("device");
  }

  @Test
  void whatCannotBeWrittenSaysWhyAndLeavesNothing() throws IOException {
    Map<String, Tensor> tensors = Map.of("a", Tensor.ofFloats(new float[] {1}, 1));
    assertThatThrownBy(() -> SafetensorsWriter.write(dir.resolve("no/such/f"), tensors))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("no such file or directory");
    Path folder = Files.createDirectories(dir.resolve("folder"));
    assertThatThrownBy(() -> SafetensorsWriter.write(folder, tensors))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("cannot be written: ");
    assertThat(dir.toFile().list()).containsExactly("folder");
    assertThat(Texts.reason(new AccessDeniedException("/f"))).isEqualTo("permission denied");
  }

  @Test
  void nothingIsLeftBehindByAnAbort() throws IOException {
    Path file = dir.resolve("model.safetensors");
    Files.writeString(file, "old");
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(
            file, List.of(new TensorSpec("a", DType.F32, 2)), SafetensorsWriter.METADATA)) {
      assertThat(writer.missing()).isEqualTo(1);
      assertThatThrownBy(writer::finish).hasMessageContaining("not written");
    }
    assertThat(names(dir)).containsExactly("model.safetensors");
    assertThat(file).hasContent("old");
  }

  @Test
  void aTensorThatIsNotAsDeclaredIsRefused() {
    try (SafetensorsWriter writer =
        SafetensorsWriter.create(
            dir.resolve("m"), List.of(new TensorSpec("a", DType.F32, 2)), Map.of())) {
      Tensor one = Tensor.ofFloats(new float[] {1, 2}, 1, 2);
      assertThatThrownBy(() -> writer.write("a", one)).hasMessageContaining("declared as a F32[2]");
      assertThatThrownBy(() -> writer.write("b", one)).hasMessageContaining("nothing");
      writer.write("a", one.reshape(2));
      assertThatThrownBy(() -> writer.write("a", one.reshape(2))).hasMessageContaining("twice");
    }
  }

  @Test
  void stridedTensorsAreWrittenDense() {
    Tensor wide = Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    Path file = dir.resolve("m.safetensors");
    SafetensorsWriter.write(file, Map.of("c", wide.columnRange(1, 3)));
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertThat(read.tensor("c").toFloats()).containsExactly(2, 3, 5, 6);
    }
  }

  @Test
  void shardsAreNamedAndIndexedAsHuggingFaceDoes() {
    List<TensorSpec> specs =
        List.of(
            new TensorSpec("a", DType.F32, 2),
            new TensorSpec("b", DType.F32, 2),
            new TensorSpec("c", DType.F32, 5));
    ShardPlan plan = ShardPlan.of(specs, 16);
    assertThat(plan.files().keySet())
        .containsExactly("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    plan.writeIndex(dir);
    assertThat(dir.resolve("model.safetensors.index.json"))
        .content()
        .contains("\"total_size\" : 36")
        .contains("\"c\" : \"model-00002-of-00002.safetensors\"");
  }

  private static List<String> names(Path dir) throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }
}
