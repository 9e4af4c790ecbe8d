package dev.octet.cli.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class CpuTest {
  private static final String XEON =
      """
      processor	: 0
      vendor_id	: GenuineIntel
      model name	: Some Xeon @ 2.0GHz
      flags		: fpu sse2 avx2 fma f16c avx512f avx512bw avx512dq avx512vl avx512_vnni amx_tile amx_int8

      processor	: 1
      model name	: Some Xeon @ 2.0GHz
      """;

  @Test
  void namesTheModelAndItsInstructionSets() {
    Cpu cpu = Cpu.parse(XEON, "amd64");
    assertThat(cpu.model()).isEqualTo("Some Xeon @ 2.0GHz");
    assertThat(cpu.instructionSets())
        .containsExactly("AVX2", "AVX-512", "AVX-512 VNNI", "AMX INT8");
    assertThat(cpu.absentInstructionSets())
        .contains("AMX BF16", "AVX-512 FP16")
        .doesNotContain("SVE");
  }

  @Test
  void halfOfAnInstructionSetIsNone() {
    assertThat(Cpu.parse("flags : sse2 avx2 fma", "amd64").instructionSets()).isEmpty();
  }

  @Test
  void readsFeaturesOnArm() {
    Cpu cpu = Cpu.parse("processor : 0\nFeatures : fp asimd asimddp i8mm sve\n", "aarch64");
    assertThat(cpu.model()).isEqualTo("aarch64");
    assertThat(cpu.instructionSets())
        .containsExactly("NEON", "NEON dot product", "NEON I8MM", "SVE");
    assertThat(cpu.absentInstructionSets()).isEmpty();
  }
}
