package dev.octet.quantize.sensitivity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.CheckpointException;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.quantize.calibrate.TinyCheckpoint;
import dev.octet.quantize.compare.DistanceSummary;
import dev.octet.quantize.compare.ModelComparer;
import dev.octet.tensor.QuantScheme;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is found by running only the layers that follow is what running the whole model finds. */
class ReplayTest {
  private static final int LENGTH = 120;
  private static final List<int[]> TEXT = TinyCheckpoint.sequences(1, LENGTH);

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("vector", 2);
  private Checkpoint checkpoint;
  private final List<Forecast> forecasts = new ArrayList<>();

  @BeforeEach
  void open() throws IOException {
    checkpoint = Checkpoints.open(TinyCheckpoint.write(dir.resolve("m"), 12));
  }

  @AfterEach
  void close() {
    checkpoint.close();
    kernels.close();
  }

  /** By whole models. */
  private DistanceSummary whole(QuantizeOptions options) {
    try (CausalLm base = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        CausalLm other =
            CausalLm.load(new QuantizedSource(checkpoint, options), kernels, RunOptions.exact())) {
      PerplexityOptions window = PerplexityOptions.fixed(LENGTH, -1);
      return ModelComparer.compare(base, List.of(other), TEXT.getFirst(), window, Progress.NONE)
          .getFirst()
          .distance();
    }
  }

  private static QuantizeOptions only(QuantScheme scheme, String pattern) {
    return new QuantizeOptions(scheme, List.of("re:(?!" + pattern + "$)"));
  }

  private SensitivityReport analyze(List<Candidate> schemes, boolean losses, Progress progress) {
    return analyze(schemes, losses, Measurements.unkept(), progress);
  }

  private SensitivityReport analyze(
      List<Candidate> schemes, boolean losses, Measurements known, Progress progress) {
    return SensitivityAnalysis.run(
        checkpoint, kernels, TEXT, schemes, losses, known, forecasts::add, progress);
  }

  @Test
  void oneLayerAloneLosesWhatAWholeModelWithThatLayerLoses() {
    SensitivityReport found =
        analyze(List.of(Candidate.of("w4a16:32"), Candidate.of("w8a8")), true, Progress.NONE);
    assertThat(found.linears()).hasSize(21);
    for (String part : List.of("model.layers.0.mlp.up_proj", "model.layers.2.self_attn.k_proj")) {
      LinearReport linear =
          found.linears().stream().filter(l -> l.module().equals(part)).findFirst().orElseThrow();
      for (int s = 0; s < 2; s++) {
        QuantScheme scheme = Objects.requireNonNull(found.schemes().get(s).scheme());
        DistanceSummary wanted = whole(only(scheme, part.replace(".", "[.]")));
        Loss loss = Objects.requireNonNull(linear.effects().get(s).loss());
        assertThat(loss.divergence()).isPositive();
        assertThat(loss.divergence()).isCloseTo(wanted.divergence(), within(1e-6));
        assertThat(loss.nllChange()).isCloseTo(wanted.nll() - wanted.baseNll(), within(1e-5));
      }
    }
    DistanceSummary layer = whole(only(QuantScheme.W4A16.withGroup(32), "model[.]layers[.]1[.].*"));
    assertThat(found.layers().get(1).getFirst().divergence())
        .isCloseTo(layer.divergence(), within(1e-6));
    DistanceSummary all = whole(QuantizeOptions.of(QuantScheme.W4A16.withGroup(32)));
    assertThat(found.whole().getFirst().divergence()).isCloseTo(all.divergence(), within(1e-6));
    assertThat(found.perplexity()).isCloseTo(all.basePerplexity(), within(1e-3));
  }

  @Test
  void anInterruptedAnalysisGoesOnWhereItWas() {
    List<Candidate> schemes = List.of(Candidate.of("w4a16:32"));
    SensitivityReport wanted = analyze(schemes, true, Progress.NONE);
    Path file = dir.resolve("journal");
    Progress breaking =
        (done, total, what) -> {
          if (what.startsWith("1.up")) {
            throw new IllegalStateException("stop");
          }
        };
    try (Measurements first = Measurements.open(file, "f", false)) {
      assertThatThrownBy(() -> analyze(schemes, true, first, breaking)).hasMessage("stop");
    }
    try (Measurements again = Measurements.open(file, "f", true)) {
      int known = again.size();
      assertThat(known).isGreaterThan(20);
      assertThat(analyze(schemes, true, again, Progress.NONE))
          .usingRecursiveComparison()
          .isEqualTo(wanted);
      assertThat(forecasts.getLast().runs()).isEqualTo(forecasts.getFirst().runs() - 13);
    }
    try (Measurements third = Measurements.open(file, "f", true)) {
      List<String> told = new ArrayList<>();
      analyze(schemes, true, third, (done, total, what) -> told.add(what));
      assertThat(told).isEmpty();
      assertThat(forecasts.getLast().runs()).isZero();
    }
  }

  private static Loss loss(LinearReport linear) {
    return Objects.requireNonNull(linear.effects().getFirst().loss());
  }

  @Test
  void theRankingBeginsWithTheLargestLoss() {
    SensitivityReport found = analyze(List.of(Candidate.of("w4a16:32")), true, Progress.NONE);
    List<LinearReport> ranking = found.ranking(0);
    for (int i = 1; i < ranking.size(); i++) {
      assertThat(loss(ranking.get(i - 1)).divergence())
          .isGreaterThanOrEqualTo(loss(ranking.get(i)).divergence());
    }
    assertThat(found.sum(0)).isPositive();
  }

  @Test
  void outlierChannelsAndErrorsAreSeenWithoutRunningTheModel() {
    List<Long> told = new ArrayList<>();
    SensitivityReport found =
        analyze(
            List.of(Candidate.of("w8a8"), Candidate.of("w4a16:32")),
            false,
            (done, total, what) -> {
              told.add(done);
              assertThat(done).isLessThanOrEqualTo(total);
            });
    assertThat(told).isSorted().isNotEmpty();
    assertThat(found.layers()).isEmpty();
    LinearReport query = found.linears().getFirst();
    assertThat(query.inputs().outliers()).as("channels 5, 34 and 63").isEqualTo(3);
    assertThat(query.inputs().worst()).isGreaterThan(InputProfile.OUTLIER);
    assertThat(query.effects().getFirst().loss()).isNull();
    for (LinearReport linear : found.linears()) {
      LinearError eight = linear.effects().getFirst().error();
      LinearError four = linear.effects().getLast().error();
      assertThat(eight.weight()).isBetween(1e-4, 0.02);
      assertThat(four.weight()).isBetween(0.02, 0.2);
      assertThat(four.decibels()).isLessThan(eight.decibels() - 10);
      assertThat(four.output()).isPositive();
    }
  }

  @Test
  void whatIsQuantizedAlreadyAndWhatIsNoSchemeAreRefused() {
    assertThatThrownBy(() -> analyze(List.of(Candidate.NONE), false, Progress.NONE))
        .isInstanceOf(IllegalArgumentException.class);
    QuantizedSource quantized =
        new QuantizedSource(checkpoint, QuantizeOptions.of(QuantScheme.W8A16));
    assertThatThrownBy(
            () ->
                SensitivityAnalysis.run(
                    quantized,
                    kernels,
                    TEXT,
                    List.of(Candidate.of("w4a16")),
                    false,
                    Measurements.unkept(),
                    Forecast.UNHEARD,
                    Progress.NONE))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("quantized already");
  }

  @Test
  void candidatesAreReadAsPeopleWriteThem() {
    assertThat(Candidate.of("W4A16:32").scheme()).isEqualTo(QuantScheme.W4A16.withGroup(32));
    assertThat(Candidate.of("none")).isEqualTo(Candidate.NONE);
    for (String wrong : List.of("w4a16:0", "w4a16:x", "w8a8:32", "w5", "w4a16:")) {
      assertThatThrownBy(() -> Candidate.of(wrong)).isInstanceOf(IllegalArgumentException.class);
    }
  }
}
