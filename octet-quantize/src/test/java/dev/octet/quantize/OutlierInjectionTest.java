package dev.octet.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.KvCache;
import dev.octet.model.RunOptions;
import dev.octet.quantize.OutlierInjection.Plan;
import dev.octet.quantize.OutlierInjection.Site;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class OutlierInjectionTest {
  @TempDir private Path dir;
  private Path model = Path.of("");

  @BeforeEach
  void find() {
    model = Shared.path("models/stories260K");
  }

  private static float[] logits(Path directory) {
    try (Checkpoint checkpoint = Checkpoints.open(directory);
        Kernels kernels = Providers.create("vector", 2);
        CausalLm lm = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        KvCache cache = lm.newCache()) {
      return lm.forward(new int[] {1, 403, 407, 261, 378, 410, 276, 12}, cache, false).toFloats();
    }
  }

  private static float largest(Path directory, String tensor) {
    float largest = 0;
    try (SafetensorsFile file = SafetensorsFile.open(directory.resolve("model.safetensors"))) {
      for (float v : file.tensor(tensor).toFloats()) {
        largest = Math.max(largest, Math.abs(v));
      }
    }
    return largest;
  }

  @ParameterizedTest
  @EnumSource(Site.class)
  void aModelWithOutliersComputesTheSameToTheLastBit(Site site) {
    Path out = dir.resolve("out");
    OutlierInjection.run(model, out, new Plan(EnumSet.of(site), 3, 6, 1));
    assertThat(logits(out)).containsExactly(logits(model));
    String larger =
        switch (site) {
          case NORM -> "model.layers.2.input_layernorm.weight";
          case KEY -> "model.layers.2.self_attn.k_proj.weight";
          case VALUE -> "model.layers.2.self_attn.v_proj.weight";
          case DOWN -> "model.layers.2.mlp.up_proj.weight";
        };
    assertThat(largest(out, larger)).isGreaterThan(10 * largest(model, larger));
  }

  @Test
  void whatCannotBeDoneIsRefused() {
    assertThatThrownBy(() -> new Plan(Set.of(), 3, 6, 1)).hasMessageContaining("site");
    assertThatThrownBy(() -> new Plan(Set.of(Site.NORM), 3, 13, 1)).hasMessageContaining("4096");
    assertThatThrownBy(
            () ->
                OutlierInjection.run(
                    model, dir.resolve("many"), new Plan(Set.of(Site.NORM), 65, 3, 1)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("65 outlier channels are too many: this model has 64 at norm");
    assertThatThrownBy(() -> OutlierInjection.run(model, dir, new Plan(Set.of(Site.NORM), 6, 3, 1)))
        .hasMessageContaining("exists");
  }
}
