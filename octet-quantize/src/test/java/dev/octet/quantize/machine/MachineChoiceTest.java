package dev.octet.quantize.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.WeightSource;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvType;
import dev.octet.kernels.Providers;
import dev.octet.quantize.MemoryEstimate;
import dev.octet.quantize.MemorySize;
import dev.octet.quantize.OuterSchemes;
import dev.octet.quantize.Progress;
import dev.octet.quantize.QuantizeOptions;
import dev.octet.quantize.QuantizedSource;
import dev.octet.quantize.calibrate.TinyCheckpoint;
import dev.octet.quantize.sensitivity.Candidate;
import dev.octet.tensor.QuantScheme;
import dev.octet.tensor.WeightType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineChoiceTest {
  private static final int CONTEXT = 64;

  @TempDir private Path dir;
  private final Kernels kernels = Providers.create("auto", 2);
  private Checkpoint checkpoint;

  @BeforeEach
  void open() throws IOException {
    checkpoint = Checkpoints.open(TinyCheckpoint.write(dir.resolve("m"), 1));
  }

  @AfterEach
  void close() {
    checkpoint.close();
    kernels.close();
  }

  private MachineChoice choose(WeightSource source, long bytes) {
    return MachineChoice.of(
        source, kernels, MemorySize.of(bytes), CONTEXT, KvType.BF16, null, OuterSchemes.NONE);
  }

  private long needed(QuantScheme scheme) {
    return MemoryEstimate.of(
            checkpoint.config(), scheme, CONTEXT, KvType.BF16, null, OuterSchemes.NONE)
        .totalBytes();
  }

  @Test
  void withRoomForAllSomethingOfEightBitsOrMoreIsTaken() {
    MachineChoice choice = choose(checkpoint, 1L << 40);
    QuantScheme scheme = choice.candidate().scheme();
    assertThat(scheme == null ? 16 : scheme.type().bits()).isGreaterThanOrEqualTo(8);
    assertThat(choice.why()).contains("512 tokens read", kernels.name()).doesNotContain("\n");
  }

  @Test
  void fourBitsAreForMemoryThatHoldsNoMore() {
    MachineChoice choice = choose(checkpoint, needed(QuantScheme.W4A16_ASYM));
    QuantScheme scheme = Objects.requireNonNull(choice.candidate().scheme());
    assertThat(scheme.type()).isEqualTo(WeightType.INT4);
    assertThat(choice.why()).contains("would take");
    assertThat(needed(scheme)).isLessThanOrEqualTo(needed(QuantScheme.W4A16_ASYM));
  }

  @Test
  void whatDoesNotFitAtAllIsRefused() {
    assertThatThrownBy(() -> choose(checkpoint, 1000))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not even 4-bit weights fit");
  }

  @Test
  void whatIsQuantizedStaysAsItIs() {
    QuantizedSource quantized =
        new QuantizedSource(checkpoint, QuantizeOptions.of(QuantScheme.W4A16));
    MachineChoice choice = choose(quantized, 1000);
    assertThat(choice.candidate()).isEqualTo(Candidate.NONE);
    assertThat(choice.why()).contains("quantized already");
  }

  @Test
  void everyUnitHasATimeInEveryCandidate() {
    List<Candidate> candidates = List.of(Candidate.NONE, Candidate.of("w4a16:32"));
    LayerTimes.Times times = LayerTimes.measure(checkpoint, kernels, candidates, 3, Progress.NONE);
    assertThat(times.decode()).hasDimensions(4, 2);
    for (int c = 0; c < 2; c++) {
      assertThat(times.decode(c)).isPositive();
      assertThat(times.prefill(c)).isPositive();
    }
  }
}
