package dev.octet.quantize.mixed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.model.CausalLm;
import dev.octet.model.RunOptions;
import dev.octet.quantize.CheckpointQuantizer;
import dev.octet.quantize.PerplexityOptions;
import dev.octet.quantize.Progress;
import dev.octet.quantize.calibrate.TinyCheckpoint;
import dev.octet.quantize.compare.DistanceSummary;
import dev.octet.quantize.compare.ModelComparer;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.quantize.sensitivity.Forecast;
import dev.octet.quantize.sensitivity.Measurements;
import dev.octet.quantize.sensitivity.Unit;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MixedPrecisionTest {
  private static final int LENGTH = 200;
  private static final List<int[]> TEXT = TinyCheckpoint.sequences(1, LENGTH);
  private static final List<Candidate> CANDIDATES =
      List.of(
          Candidate.NONE,
          Candidate.of("w8a16"),
          Candidate.of("w4a16:16"),
          Candidate.of("w4a16:32"));

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("vector", 2);
  private Path model = Path.of("");
  private Checkpoint checkpoint;

  @BeforeEach
  void open() throws IOException {
    model = TinyCheckpoint.write(dir.resolve("m"), 12);
    checkpoint = Checkpoints.open(model);
  }

  @AfterEach
  void close() {
    checkpoint.close();
    kernels.close();
  }

  private Plan plan(Budget budget) {
    return plan(budget, Measurements.unkept(), Phases.NONE);
  }

  private Plan plan(Budget budget, Measurements known, Phases phases) {
    return MixedPrecision.plan(
        checkpoint, kernels, TEXT, Families.free(CANDIDATES), known, budget, phases);
  }

  private static MixPoint uniform(Plan plan, String label) {
    return plan.uniform().stream()
        .filter(p -> p.name().equals("all " + label))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void atTheSizeOfOneSchemeForAllAMixLosesLess() {
    MixPoint four = uniform(plan(new Budget.Size(1L << 30)), "w4a16:16");
    Plan plan = plan(new Budget.Size(four.bytes()));
    assertThat(plan.chosen().bytes()).isLessThanOrEqualTo(four.bytes());
    assertThat(plan.chosen().measured().divergence())
        .isLessThan(0.9 * four.measured().divergence());
    assertThat(plan.frontier()).contains(plan.chosen()).hasSizeGreaterThan(3);
    for (int i = 1; i < plan.frontier().size(); i++) {
      assertThat(plan.frontier().get(i).bytes())
          .isGreaterThanOrEqualTo(plan.frontier().get(i - 1).bytes());
    }
  }

  @Test
  void aCheckpointWrittenByTheMixLosesWhatWasMeasuredAndHasItsSize() {
    long limit = uniform(plan(new Budget.Size(1L << 30)), "w4a16:16").bytes() * 6 / 5;
    MixPoint chosen = plan(new Budget.Size(limit)).chosen();
    assertThat(chosen.mix().candidates().stream().distinct().count()).isGreaterThan(1);
    Path out = dir.resolve("out");
    CheckpointQuantizer.run(model, out, chosen.mix().options(), false, false, Progress.NONE);
    try (Checkpoint written = Checkpoints.open(out);
        CausalLm base = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        CausalLm mixed = CausalLm.load(written, kernels, RunOptions.exact())) {
      DistanceSummary d =
          ModelComparer.compare(
                  base,
                  List.of(mixed),
                  TEXT.getFirst(),
                  PerplexityOptions.fixed(LENGTH, -1),
                  Progress.NONE)
              .getFirst()
              .distance();
      assertThat(d.divergence()).isCloseTo(chosen.measured().divergence(), within(1e-6));
      assertThat(mixed.weightBytes()).isCloseTo(chosen.bytes(), within(1024L));
    }
  }

  @Test
  void aLimitOfLossIsKeptAsMeasuredWithFewerBytesThanEightBits() {
    Plan plan = plan(new Budget.Loss(0.02));
    MixPoint chosen = plan.chosen();
    double worst = chosen.measured().nllChange() + chosen.measured().standardError();
    assertThat(worst).isLessThanOrEqualTo(Math.log1p(0.02));
    assertThat(chosen.bytes()).isLessThan(uniform(plan, "none").bytes());
  }

  /** Counts what is run, and stops when it is told to. */
  private static final class Counting implements Phases {
    private final int limit;
    private int runs;
    private Forecast forecast = new Forecast(0, 0, 0, 0);

    Counting(int limit) {
      this.limit = limit;
    }

    @Override
    public Progress begin(String name) {
      return (done, total, what) -> {
        if (++runs > limit) {
          throw new IllegalStateException("stop");
        }
      };
    }

    @Override
    public void expect(Forecast expected) {
      forecast = expected;
    }
  }

  @Test
  void anInterruptedSearchGoesOnWhereItWasAndChoosesTheSame() {
    Budget budget = new Budget.Size(uniform(plan(new Budget.Size(1L << 30)), "w4a16:16").bytes());
    Plan wanted = plan(budget);
    Path file = dir.resolve("journal");
    try (Measurements first = Measurements.open(file, "f", false)) {
      Counting two = new Counting(1);
      assertThatThrownBy(() -> plan(budget, first, two)).hasMessage("stop");
      assertThat(two.forecast.runs()).isEqualTo(12 * 3L);
      assertThat(two.forecast.known()).isZero();
    }
    try (Measurements again = Measurements.open(file, "f", true)) {
      Counting rest = new Counting(Integer.MAX_VALUE);
      assertThat(plan(budget, again, rest)).usingRecursiveComparison().isEqualTo(wanted);
      assertThat(rest.forecast.known()).isEqualTo(24);
      assertThat(rest.forecast.runs()).isEqualTo(12);
    }
  }

  @Test
  void whatIsOutOfReachIsRefusedWithWhatIsInReach() {
    assertThatThrownBy(() -> plan(new Budget.Size(1000)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("the smallest takes");
    assertThatThrownBy(() -> plan(new Budget.Speed(1e9)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("the fastest is about");
    assertThatThrownBy(
            () ->
                MixedPrecision.plan(
                    checkpoint,
                    kernels,
                    TEXT,
                    Families.free(List.of(Candidate.NONE)),
                    Measurements.unkept(),
                    new Budget.Size(1L << 30),
                    Phases.NONE))
        .hasMessageContaining("at least two");
  }

  @Test
  void aSpeedThatTheOriginalReachesTakesTheOriginal() {
    Plan plan = plan(new Budget.Speed(1e-3));
    assertThat(plan.chosen().measured().divergence()).isZero();
    assertThat(plan.notes()).anyMatch(note -> note.contains("tokens/s here"));
  }

  @Test
  void patternsNameTheirModulesAndNoOthers() {
    List<Unit> units = Unit.fused(12);
    Mix mix =
        new Mix(
            units,
            units.stream()
                .map(u -> u.layer() == 1 || u.layer() == 10 ? CANDIDATES.get(1) : CANDIDATES.get(2))
                .toList());
    var options = mix.options();
    for (Unit unit : units) {
      for (String module : unit.modules()) {
        boolean eight = unit.layer() == 1 || unit.layer() == 10;
        assertThat(options.schemeOf(module).name()).isEqualTo(eight ? "w8a16" : "w4a16");
        assertThat(options.ignores(module)).isFalse();
      }
    }
    assertThat(options.ignores("lm_head")).isTrue();
    assertThat(mix).hasToString("40 w4a16:16, 8 w8a16");
  }
}
