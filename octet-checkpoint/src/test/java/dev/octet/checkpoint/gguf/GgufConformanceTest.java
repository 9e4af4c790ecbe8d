package dev.octet.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.Mutations;
import dev.octet.checkpoint.Shared;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufConformanceTest {
  @TempDir Path dir;

  @Test
  void everyBrokenConformanceFileIsRefused() {
    List<Path> cases = Shared.cases("bad_gguf_");
    assertThat(cases).hasSizeGreaterThan(20);
    for (Path c : cases) {
      Path file = c.resolve("model.gguf");
      assertThatThrownBy(() -> Checkpoints.open(file))
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
            Map.entry("alignment_zero", "general.alignment is 0"),
            Map.entry("array_length", "only 2 bytes follow"),
            Map.entry("bad_magic", "does not begin with 'GGUF'"),
            Map.entry("block_row", "no whole blocks of 32"),
            Map.entry("data_cut", "cut off"),
            Map.entry("dims_count", "200 dimensions"),
            Map.entry("dims_overflow", "overflows"),
            Map.entry("duplicate_tensor", "twice"),
            Map.entry("empty", "does not begin with 'GGUF'"),
            Map.entry("header_cut", "only 14 bytes follow"),
            Map.entry("kv_count", "metadata entries"),
            Map.entry("kv_type", "unknown type"),
            Map.entry("nested_arrays", "nested deeper"),
            Map.entry("offset", "cut off"),
            Map.entry("offset_unaligned", "multiple of the alignment"),
            Map.entry("offset_wraps", "18446744073709551584"),
            Map.entry("string_length", "only 32 bytes follow"),
            Map.entry("tensor_count", "number of tensors"),
            Map.entry("tensor_type", "unknown type"),
            Map.entry("version", "version"));
    reasons.forEach(
        (name, reason) ->
            assertThatThrownBy(
                    () ->
                        GgufHeader.read(
                            Shared.path("conformance/bad_gguf_" + name + "/model.gguf")))
                .as(name)
                .hasMessageContaining(reason));
  }

  @Test
  void soundFilesAreListedWithTypesAndShapes() {
    GgufHeader file = GgufHeader.read(sound());
    assertThat(file.architecture()).isEqualTo("llama");
    assertThat(file.tensors())
        .anySatisfy(
            t -> {
              assertThat(t.name()).isEqualTo("token_embd.weight");
              assertThat(t.shape()).hasSize(2);
            })
        .anySatisfy(t -> assertThat(t.type()).isEqualTo(GgufType.Q4_K));
  }

  @Test
  void damagedFilesThrowNothingButCheckpointExceptions() throws IOException {
    byte[] good = Files.readAllBytes(sound());
    Random random = new Random(3);
    Path file = dir.resolve("m.gguf");
    int header = (int) GgufHeader.read(sound()).tensors().getFirst().offset();
    for (int round = 0; round < 400; round++) {
      byte[] damaged = Mutations.damage(Arrays.copyOf(good, header), random);
      Files.write(file, damaged);
      assertThatThrownBy(() -> GgufHeader.read(file)).isInstanceOf(CheckpointException.class);
    }
  }

  private static Path sound() {
    Path model = Shared.path("conformance/gguf_q4_k");
    for (String name : List.of("model.gguf", "model/model.gguf")) {
      if (Files.exists(model.resolve(name))) {
        return model.resolve(name);
      }
    }
    throw new IllegalStateException("no GGUF in " + model);
  }
}
