package dev.octet.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.kernels.Providers.ProviderInfo;
import dev.octet.kernels.peak.PeakLoops;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TierTest {
  @Test
  void theCapNamesATierInAnyCase() {
    assertThat(Tier.cap("avx2")).isEqualTo(Tier.AVX2);
    assertThat(Tier.cap(" AVX512 ")).isEqualTo(Tier.AVX512);
    assertThat(Tier.cap("amx")).isEqualTo(Tier.AMX);
    assertThat(Tier.cap("")).isEqualTo(Tier.AMX);
  }

  @Test
  void aCapThatNamesNoTierIsRefusedWithThoseThatThereAre() {
    assertThatThrownBy(() -> Tier.cap("sse"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("OCTET_MAX_ISA=sse names no tier; there are avx2, avx512, amx");
  }

  @Test
  void theTierChosenRunsAndWhatIsAboveItHasAReason() {
    assumeTrue(PackedLibrary.has("avx2"));
    Tier best = NativeKernels.best();
    assertThat(NativeKernels.lacks(best)).isNull();
    assertThat(CpuKernels.whyNotBetter().isEmpty()).isEqualTo(best == Tier.AMX);
    if (best != Tier.AMX) {
      assertThat(CpuKernels.whyNotBetter()).contains("no AMX: ");
    }
  }

  @Test
  void tilesInPlainCPassTheCheckThatRealOnesMustPass() {
    assumeTrue(EmulatedTiles.available());
    assertThat(EmulatedTiles.library().checkTiles()).isZero();
  }

  /** Loops on tiles count what they do; real ones are timed where a processor has them. */
  @Test
  void everyPeakOfTheTilesCountsItsProducts() {
    assumeTrue(EmulatedTiles.available());
    List<PeakLoops.Loop> loops = new NativePeaks(EmulatedTiles.library()).arithmetic();
    assertThat(loops)
        .extracting(PeakLoops.Loop::instruction)
        .containsExactly("vfmadd231ps", "vdpbf16ps", "vpdpbusd", "tdpbf16ps", "tdpbssd");
    assertThat(loops.get(3).body().run(2)).isEqualTo(2.0 * 2 * 6 * 16 * 16 * 32);
    assertThat(loops.get(4).body().run(2)).isEqualTo(2.0 * 2 * 6 * 16 * 16 * 64);
  }

  /** A folder that cannot be written to must cost the kernels in C, not the program. */
  @Test
  void whatCannotBeUnpackedLeavesTheVectorProvider() throws IOException, InterruptedException {
    assumeTrue(PackedLibrary.has("avx2"));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--add-modules=jdk.incubator.vector", "-Djava.io.tmpdir=/proc"));
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp"));
    command.add(System.getProperty("java.class.path"));
    command.add(Choice.class.getName());
    Process child = new ProcessBuilder(command).start();
    String out = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(child.waitFor()).isZero();
    assertThat(out.lines())
        .satisfiesExactly(
            provider -> assertThat(provider).isEqualTo("vector"),
            reason -> assertThat(reason).startsWith("cpu false cannot unpack probe.so: "));
  }

  /** What {@code auto} chooses, and why not the kernels in C. */
  static final class Choice {
    private Choice() {}

    public static void main(String[] arguments) {
      try (Kernels kernels = Providers.create("auto", 1)) {
        System.out.println(kernels.name());
      }
      ProviderInfo cpu = Providers.list().getFirst();
      System.out.println(cpu.name() + " " + cpu.available() + " " + cpu.reason());
    }
  }
}
