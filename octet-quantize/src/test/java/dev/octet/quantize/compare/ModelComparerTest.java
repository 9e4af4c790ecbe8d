package dev.octet.quantize.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.Perplexity;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.quantize.StoredScheme;
import dev.octet.quantize.calibrate.TinyCheckpoint;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.WeightType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelComparerTest {
  private static final int[] TEXT = TinyCheckpoint.sequences(1, 700).getFirst();
  private static final PerplexityOptions OPTIONS = new PerplexityOptions(200, 150, 0, 1);

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("vector", 2);
  private Checkpoint checkpoint;

  @BeforeEach
  void open() throws IOException {
    checkpoint = Checkpoints.open(TinyCheckpoint.write(dir.resolve("m"), 4));
  }

  @AfterEach
  void close() {
    checkpoint.close();
    kernels.close();
  }

  private CausalLm original() {
    return CausalLm.load(checkpoint, kernels, RunOptions.exact());
  }

  private CausalLm quantized(QuantScheme scheme) {
    return CausalLm.load(
        new QuantizedSource(checkpoint, QuantizeOptions.of(scheme)), kernels, RunOptions.exact());
  }

  @Test
  void aModelIsAtNoDistanceFromItself() {
    try (CausalLm base = original();
        CausalLm same = original()) {
      Comparison found =
          ModelComparer.compare(base, List.of(same), TEXT, OPTIONS, Progress.NONE).getFirst();
      assertThat(found.distance().divergence()).isZero();
      assertThat(found.distance().agreement()).isEqualTo(1);
      assertThat(found.distance().change()).isZero();
      assertThat(found.layerErrors()).hasSize(3).allMatch(e -> e == 0);
      assertThat(found.worst(3)).isEmpty();
    }
  }

  @Test
  void perplexitiesAreThoseThatAreMeasuredAlone() {
    try (CausalLm base = original();
        CausalLm eight = quantized(QuantScheme.W8A8);
        CausalLm four = quantized(QuantScheme.W4A16)) {
      List<Comparison> found =
          ModelComparer.compare(base, List.of(eight, four), TEXT, OPTIONS, Progress.NONE);
      for (int m = 0; m < 2; m++) {
        DistanceSummary d = found.get(m).distance();
        var alone = Perplexity.measure(List.of(eight, four).get(m), TEXT, OPTIONS, Progress.NONE);
        assertThat(d.tokens()).isEqualTo(alone.tokens());
        assertThat(d.nll()).isCloseTo(alone.meanNll(), within(1e-6));
        assertThat(d.basePerplexity())
            .isCloseTo(
                Perplexity.measure(base, TEXT, OPTIONS, Progress.NONE).perplexity(), within(1e-4));
      }
    }
  }

  @Test
  void fourBitsAreFartherAwayThanEightInEveryFigure() {
    try (CausalLm base = original();
        CausalLm eight = quantized(QuantScheme.W8A16);
        CausalLm four = quantized(QuantScheme.W4A16)) {
      List<Comparison> found =
          ModelComparer.compare(base, List.of(eight, four), TEXT, OPTIONS, Progress.NONE);
      DistanceSummary near = found.getFirst().distance();
      DistanceSummary far = found.getLast().distance();
      assertThat(near.divergence()).isPositive().isLessThan(far.divergence() / 10);
      assertThat(near.quantile(0.99)).isLessThan(far.quantile(0.99));
      assertThat(near.agreement()).isGreaterThan(far.agreement());
      for (int l = 0; l < 3; l++) {
        assertThat(found.getFirst().layerErrors().get(l))
            .isLessThan(found.getLast().layerErrors().get(l));
      }
      List<Comparison.LayerError> worst = found.getLast().worst(3);
      assertThat(worst).isNotEmpty().allMatch(layer -> layer.growth() > 0);
      assertThat(worst.getFirst().growth()).isGreaterThanOrEqualTo(worst.getLast().growth());
      assertThat(new Comparison(near, List.of(0.1, 0.05, 0.3)).worst(3))
          .extracting(Comparison.LayerError::layer)
          .as("layer 1 adds nothing")
          .containsExactly(2, 0);
    }
  }

  @Test
  void theSchemeOfQuantizedLayersIsSeen() {
    QuantizedSource source =
        new QuantizedSource(checkpoint, QuantizeOptions.of(QuantScheme.W4A16.withGroup(32)));
    QuantScheme seen = StoredScheme.of(source).orElseThrow();
    assertThat(seen.type()).isEqualTo(WeightType.INT4);
    assertThat(seen.group()).isEqualTo(32);
    assertThat(seen.symmetric()).isTrue();
    assertThat(StoredScheme.of(checkpoint)).isEmpty();
  }
}
