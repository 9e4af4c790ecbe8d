package dev.octet.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsFileTest {
  @TempDir Path dir;

  @Test
  void everyBrokenConformanceFileIsRefusedWithItsNameOnOneLine() {
    List<Path> cases = Shared.cases("bad_st_");
    assertThat(cases).hasSizeGreaterThan(30);
    for (Path c : cases) {
      Path file = c.resolve("model.safetensors");
      assertThatThrownBy(() -> SafetensorsFile.open(file).close())
          .as(c.getFileName().toString())
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(file.toString())
          .message()
          .doesNotContain("\n");
    }
  }

  @Test
  void refusalsNameTheTrueReason() {
    Shared.require();
    Map<String, String> reasons =
        Map.ofEntries(
            Map.entry("bad_utf8", "UTF-8"),
            Map.entry("duplicate_key", "uplicate"),
            Map.entry("hole", "a hole"),
            Map.entry("overlap", "an overlap"),
            Map.entry("same_range", "an overlap"),
            Map.entry("trailing_bytes", "after the last tensor"),
            Map.entry("shape_overflow", "overflows"),
            Map.entry("shape_overflow_bytes", "overflows"),
            Map.entry("negative_dim", "shape"),
            Map.entry("negative_offset", "data_offsets"),
            Map.entry("float_offset", "data_offsets"),
            Map.entry("reversed", "begin <= end"),
            Map.entry("unknown_dtype", "unknown dtype"),
            Map.entry("metadata_number", "__metadata__"),
            Map.entry("header_length_max", "18446744073709551615"),
            Map.entry("header_length_2e63", "9223372036854775808"),
            Map.entry("deep_json", "must be a JSON object"),
            Map.entry("missing_field", "has no data_offsets"),
            Map.entry("first_not_zero", "a hole"));
    reasons.forEach(
        (name, reason) ->
            assertThatThrownBy(() -> openCase("bad_st_" + name).close())
                .as(name)
                .hasMessageContaining(reason));
  }

  @Test
  void anOddButValidFileLoadsBitExactly() {
    try (SafetensorsFile odd = openCase("ok_safetensors_odd");
        SafetensorsFile expected =
            SafetensorsFile.open(
                Shared.path("conformance/ok_safetensors_odd/expected.safetensors"))) {
      assertThat(odd.tensors()).hasSizeGreaterThan(3);
      assertThat(odd.metadata()).isNotEmpty();
      String name =
          odd.tensors().keySet().stream().filter(n -> n.startsWith("unaligned")).findFirst().get();
      assertThat(odd.tensor(name).toFloats()).isEqualTo(expected.tensor("f32").toFloats());
      assertThat(odd.tensors().values()).anyMatch(t -> t.rank() == 0).anyMatch(t -> t.size() == 0);
    }
  }

  @Test
  void whatIsNoRegularFileIsRefused() {
    assertThatThrownBy(() -> SafetensorsFile.open(dir)).hasMessageContaining("not a regular file");
    assertThatThrownBy(() -> SafetensorsFile.open(dir.resolve("x")))
        .hasMessageContaining("no such");
  }

  @Test
  void controlCharactersInNamesDoNotReachTheTerminal() throws IOException {
    Path file = write("{\"a\\u001b[2J\\n\": 5}", 0);
    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .message()
        .contains("\\u001b")
        .doesNotContain("\u001b");
  }

  @Test
  void everyDefinedTypeIsReadWithItsSize() throws IOException {
    for (DType type : DType.values()) {
      if (type == DType.I4) {
        continue;
      }
      long bytes = type.bytes(8);
      Path file =
          write(
              "{\"t\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%d]}}"
                  .formatted(type.name(), bytes),
              (int) bytes);
      try (SafetensorsFile opened = SafetensorsFile.open(file)) {
        assertThat(opened.tensor("t").dtype()).isEqualTo(type);
        assertThat(opened.tensor("t").byteSize()).isEqualTo(bytes);
      }
    }
  }

  @Test
  void oddCountsOfSubByteTypesAreRefused() throws IOException {
    Path file = write("{\"t\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2);
    assertThatThrownBy(() -> SafetensorsFile.open(file)).hasMessageContaining("whole number");
  }

  @Test
  void minusZeroIsNoOffset() throws IOException {
    Path file = write("{\"t\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[-0,2]}}", 2);
    assertThatThrownBy(() -> SafetensorsFile.open(file)).hasMessageContaining("data_offsets");
  }

  @Test
  void damagedFilesThrowNothingButCheckpointExceptions() throws IOException {
    Path file = dir.resolve("good.safetensors");
    SafetensorsWriter.write(
        file,
        Map.of(
            "a.weight", Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3),
            "b", Tensor.ofFloats(new float[] {7}, 1),
            "c", Tensor.ofFloats(new float[0], 0, 5)));
    byte[] good = Files.readAllBytes(file);
    Random random = new Random(5);
    int refused = 0;
    for (int round = 0; round < 1500; round++) {
      Files.write(file, Mutations.damage(good, random));
      try (SafetensorsFile opened = SafetensorsFile.open(file)) {
        opened.tensors().values().forEach(t -> assertThat(t.byteSize()).isLessThan(1000));
      } catch (CheckpointException e) {
        refused++;
        assertThat(e).hasMessageContaining("good.safetensors");
        assertThat(e.getMessage()).doesNotContain("\n");
      }
    }
    assertThat(refused).isGreaterThan(1000);
  }

  private static SafetensorsFile openCase(String name) {
    return SafetensorsFile.open(Shared.path("conformance/" + name + "/model.safetensors"));
  }

  private Path write(String header, int dataBytes) throws IOException {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer all = ByteBuffer.allocate(8 + text.length + dataBytes);
    all.order(ByteOrder.LITTLE_ENDIAN).putLong(text.length).put(text);
    return Files.write(dir.resolve("t.safetensors"), all.array());
  }
}
