package dev.octet.quantize.mixed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.ModelConfig;
import dev.octet.checkpoint.WriteFormat;
import dev.octet.quantize.Preflight;
import dev.octet.quantize.calibrate.Recipe;
import dev.octet.quantize.calibrate.Recipe.Rounding;
import dev.octet.quantize.calibrate.TinyCheckpoint;
import dev.octet.quantize.method.GptqOptions;
import dev.octet.quantize.sensitivity.Candidate;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FamiliesTest {
  @TempDir private Path dir;
  private Path model = Path.of("");

  @BeforeEach
  void write() throws IOException {
    model = TinyCheckpoint.write(dir.resolve("model"), 1);
  }

  private Families families(WriteFormat format, String... candidates) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      ModelConfig config = checkpoint.config();
      return Families.of(config, of(candidates), _ -> Preflight.Method.ROUNDING, format);
    }
  }

  private static List<Candidate> of(String... names) {
    return List.of(names).stream().map(Candidate::of).toList();
  }

  @Test
  void compressedTensorsHoldsAnyMix() {
    Families found =
        families(WriteFormat.COMPRESSED_TENSORS, "none", "w8a8", "w4a16:16", "w4a16:32");
    assertThat(found.refused()).isEmpty();
    assertThat(found.sets()).containsExactly(of("none", "w8a8", "w4a16:16", "w4a16:32"));
  }

  /** One size of groups for all layers. */
  @Test
  void ascendHoldsGroupsOfOneSizeBesideWholeRows() {
    Families found =
        families(WriteFormat.ASCEND, "none", "w8a8", "w4a16:16", "w4a16:32", "fp8-block");
    assertThat(found.refused().keySet()).containsExactlyElementsOf(of("fp8-block"));
    assertThat(found.sets())
        .containsExactlyInAnyOrder(of("none", "w8a8", "w4a16:16"), of("none", "w8a8", "w4a16:32"));
  }

  @Test
  void whatAMethodCannotMakeIsNoCandidateThoughTheFormatHoldsIt() {
    Rounding gptq = new Rounding.Compensated(GptqOptions.DEFAULT);
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      Families found =
          Families.of(
              checkpoint.config(),
              of("none", "w8a8", "fp8-dynamic"),
              options -> new Recipe(null, gptq, false, options),
              WriteFormat.COMPRESSED_TENSORS);
      assertThat(found.sets()).containsExactly(of("none", "w8a8"));
      assertThat(found.refused()).hasSize(1);
      assertThat(found.refused().values().iterator().next()).contains("fp8-dynamic", "gptq");
    }
  }
}
