package dev.octet.bench.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.bench.conformance.CaseResult.Status;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The shared conformance cases, where they are at hand. */
final class ConformanceTest {
  /** What this build claims to read and compute: none of these may be skipped. */
  private static final List<String> BUILT =
      List.of(
          "llama_*",
          "mistral_*",
          "qwen2_*",
          "qwen3_{bf16,yarn_bf16}",
          "ct_*",
          "gptq_*",
          "awq_*",
          "fp8_*",
          "codec_{packing,scalars}",
          "attn_*",
          "bad_*",
          "ok_{safetensors_odd,tiny_dense,tiny_ct,tiny_gptq}");

  /** One of each kind and weight type. */
  private static final List<String> SOME =
      List.of(
          "qwen3_bf16",
          "mistral_window_bf16",
          "ct_w8a8_dynamic",
          "ct_w4a16_asym",
          "ct_fp8_kv_cache",
          "ct_nvfp4_a16",
          "gptq_w4_act_order",
          "awq_gemm",
          "fp8_block",
          "codec_packing",
          "attn_ragged",
          "attn_latent",
          "bad_st_hole",
          "bad_dir_config_deep",
          "ok_safetensors_odd");

  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void oneCaseOfEachSortPasses(String provider) {
    assertThat(run(provider, SOME)).hasSize(SOME.size()).allMatch(r -> r.status() == Status.PASS);
  }

  @Tag("slow")
  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void everyCaseOfWhatIsBuiltPasses(String provider) {
    assertThat(run(provider, BUILT))
        .hasSizeGreaterThan(120)
        .allSatisfy(r -> assertThat(r.status()).as(r.line()).isEqualTo(Status.PASS));
  }

  @Tag("slow")
  @ParameterizedTest
  @ValueSource(strings = {"reference", "vector"})
  void noCaseAtAllFails(String provider) {
    assertThat(run(provider, List.of()))
        .allSatisfy(r -> assertThat(r.status()).as(r.line()).isNotEqualTo(Status.FAIL));
  }

  private static List<CaseResult> run(String provider, List<String> globs) {
    List<Path> cases = CaseFinder.find(List.of(Conformance.directory()), globs);
    try (Kernels kernels = Providers.create(provider, 2)) {
      ConformanceRunner runner = new ConformanceRunner(kernels);
      return cases.stream().map(runner::run).toList();
    }
  }
}
