package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Large tensors on their way past the page cache: odd sizes at odd places. */
class TensorStreamTest {
  private static final long MIB = 1L << 20;

  @TempDir Path dir;

  /** Sizes around a mebibyte, a block of 4,096 and the 8 MiB that are copied at a time. */
  private Map<String, Tensor> tensors() {
    SplittableRandom random = new SplittableRandom(1);
    Map<String, Tensor> tensors = new TreeMap<>();
    long[] sizes = {1, 4095, MIB - 1, MIB, MIB + 1, 3 * MIB + 13, 8 * MIB, 17 * MIB + 4097};
    for (int i = 0; i < sizes.length; i++) {
      Tensor tensor = Tensor.allocate(Arena.ofAuto(), DType.U8, sizes[i]);
      for (long at = 0; at + 8 <= sizes[i]; at += 8) {
        tensor.segment().set(ValueLayout.JAVA_LONG_UNALIGNED, at, random.nextLong());
      }
      tensors.put("t" + i, tensor);
    }
    return tensors;
  }

  private static Tensor get(Map<String, Tensor> tensors, String name) {
    return Objects.requireNonNull(tensors.get(name));
  }

  private static void assertSame(Tensor actual, Tensor expected) {
    assertThat(actual).hasToString(expected.toString());
    assertThat(actual.segment().mismatch(expected.segment())).isEqualTo(-1);
  }

  @Test
  void largeTensorsAreWrittenAndReadBitForBit() {
    Map<String, Tensor> tensors = tensors();
    Path file = dir.resolve("model.safetensors");
    SafetensorsWriter.write(file, tensors);
    try (SafetensorsFile mapped = SafetensorsFile.open(file);
        TensorStream stream = new TensorStream(mapped::place)) {
      tensors.forEach((name, tensor) -> assertSame(mapped.tensor(name), tensor));
      tensors.forEach((name, tensor) -> assertSame(stream.read(mapped.tensor(name)), tensor));
      List<String> backwards = new ArrayList<>(tensors.keySet());
      for (String name : backwards.reversed()) {
        assertSame(stream.read(mapped.tensor(name)), get(tensors, name));
      }
    }
  }

  @Test
  void rowsOfALargeTensorArePlacedWithinIt() {
    Path file = dir.resolve("model.safetensors");
    MemorySegment bytes = get(tensors(), "t7").segment().asSlice(0, 4097 * 4351);
    Tensor tensor = Tensor.of(DType.U8, bytes, 4097, 4351);
    SafetensorsWriter.write(file, Map.of("w", tensor));
    try (SafetensorsFile mapped = SafetensorsFile.open(file);
        TensorStream stream = new TensorStream(mapped::place)) {
      Tensor rows = mapped.tensor("w").rowRange(5, 3000);
      assertThat(mapped.place(rows)).isPresent();
      assertSame(stream.read(rows), tensor.rowRange(5, 3000));
    }
  }

  @Test
  void copiesFromFileToFileAreBitForBit() throws IOException {
    Map<String, Tensor> tensors = tensors();
    Path from = dir.resolve("from.safetensors");
    Path to = dir.resolve("to.safetensors");
    SafetensorsWriter.write(from, tensors);
    List<TensorSpec> specs = new ArrayList<>();
    tensors.forEach((name, tensor) -> specs.add(TensorSpec.of("copy." + name, tensor)));
    try (SafetensorsFile source = SafetensorsFile.open(from);
        SafetensorsWriter writer =
            SafetensorsWriter.create(to, specs, SafetensorsWriter.METADATA)) {
      for (TensorSpec spec : specs) {
        TensorPlace place = source.place(source.tensor(spec.name().substring(5))).orElseThrow();
        writer.copy(spec, place);
        assertThatThrownBy(() -> writer.copy(spec, place))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("written twice");
      }
      writer.finish();
    }
    try (SafetensorsFile copied = SafetensorsFile.open(to)) {
      tensors.forEach((name, tensor) -> assertSame(copied.tensor("copy." + name), tensor));
    }
    assertThat(dir.toFile().list()).containsExactlyInAnyOrder("from.safetensors", "to.safetensors");
  }

  @Test
  void memoryHasNoPlaceAndStaysAsItIs() {
    Path file = dir.resolve("model.safetensors");
    SafetensorsWriter.write(file, tensors());
    Tensor own = get(tensors(), "t5");
    try (SafetensorsFile mapped = SafetensorsFile.open(file);
        TensorStream stream = new TensorStream(mapped::place)) {
      assertThat(mapped.place(own)).isEmpty();
      assertThat(stream.read(own)).isSameAs(own);
      Tensor small = mapped.tensor("t1");
      assertThat(stream.read(small)).isSameAs(small);
      assertThat(new TensorStream(_ -> Optional.empty()).read(mapped.tensor("t7")))
          .isSameAs(mapped.tensor("t7"));
    }
  }

  @Test
  void aFileThatBecameShorterIsRefused() throws IOException {
    Path file = dir.resolve("model.safetensors");
    SafetensorsWriter.write(file, tensors());
    try (SafetensorsFile mapped = SafetensorsFile.open(file);
        TensorStream stream = new TensorStream(mapped::place)) {
      Tensor last =
          mapped.tensors().values().stream()
              .max((a, b) -> Long.compare(address(a.segment()), address(b.segment())))
              .orElseThrow();
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(Files.size(file) - 5000);
      }
      assertThatThrownBy(() -> stream.read(last))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("model.safetensors: cannot be read");
    }
  }

  private static long address(MemorySegment segment) {
    return segment.address();
  }
}
