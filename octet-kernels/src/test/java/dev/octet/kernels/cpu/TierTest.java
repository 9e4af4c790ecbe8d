package dev.octet.kernels.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

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
}
