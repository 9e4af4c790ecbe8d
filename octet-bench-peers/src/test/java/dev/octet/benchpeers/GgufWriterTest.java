package dev.octet.benchpeers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.bench.ModelShape;
import dev.octet.bench.peer.ModelTask;
import dev.octet.bench.peer.PeerException;
import dev.octet.bench.peer.PeerModel;
import dev.octet.bench.peer.PeerSession;
import dev.octet.bench.peer.Precision;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.gguf.GgufHeader;
import dev.octet.checkpoint.gguf.GgufTensor;
import dev.octet.checkpoint.gguf.GgufType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GgufWriterTest {
  @TempDir Path scratch;

  /** The 1B model's shape, cut down. */
  static ModelConfig small() {
    ModelConfig c = ModelShape.of("llama-3.2-1b").config();
    return new ModelConfig(
        c.architecture(),
        512,
        256,
        512,
        2,
        4,
        2,
        64,
        c.rmsNormEps(),
        c.ropeTheta(),
        c.ropeScaling(),
        c.maxPositions(),
        true,
        false,
        false,
        false,
        false,
        Collections.nCopies(2, 0),
        -1,
        List.of(),
        c.dtype());
  }

  @ParameterizedTest
  @EnumSource(
      value = GgufType.class,
      names = {"BF16", "Q8_0", "Q4_0"})
  void theFileReadsBackWithEveryTensorOfALlama(GgufType type) throws IOException {
    Path file = scratch.resolve("model.gguf");
    LlamaGguf.of(small(), type).write(file);
    GgufHeader header = GgufHeader.read(file);
    assertThat(header.architecture()).isEqualTo("llama");
    assertThat(header.tensors()).hasSize(2 + 2 * 9);
    assertThat(header.tensors())
        .extracting(GgufTensor::name)
        .contains("token_embd.weight", "output_norm.weight", "blk.1.ffn_down.weight")
        .doesNotHaveDuplicates();
    GgufTensor down =
        header.tensors().stream()
            .filter(t -> t.name().equals("blk.1.ffn_down.weight"))
            .findFirst()
            .orElseThrow();
    assertThat(down.type()).isEqualTo(type);
    assertThat(down.byteSize()).isEqualTo(256L * 512 / type.blockElements() * type.blockBytes());
  }

  @Test
  void rowsThatAreNoWholeBlocksAreRefused() {
    assertThatThrownBy(() -> new GgufWriter().tensor("t", GgufType.Q8_0, new byte[34], 1, 33))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("33");
  }

  @Test
  void withoutTheLibrariesTheWayToGetThemIsSaid() {
    assertThatThrownBy(() -> new LlamaCppSession(scratch, 1))
        .isInstanceOf(PeerException.class)
        .hasMessageContainingAll(scratch.toString(), "npm pack");
  }

  /** Runs where llama.cpp has been fetched. */
  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"BF16", "INT8", "INT4"})
  void llamaCppRunsTheFile(Precision weights) {
    Path folder = LlamaCpp.folder();
    Assumptions.assumeTrue(Files.isDirectory(folder), folder + " is not there");
    try (PeerSession session = new LlamaCppSession(folder, 2)) {
      assertThat(session.isa()).contains("AVX");
      List<PeerModel> models = session.models(new ModelTask(small(), weights, 64, 16));
      assertThat(models).hasSize(2);
      for (PeerModel model : models) {
        try (model) {
          for (int round = 0; round < 2; round++) {
            model.reset();
            model.forward(new int[] {1, 2, 3, 4, 5, 6, 7});
            model.forward(new int[] {8});
            model.check();
          }
        }
      }
    }
  }
}
