package dev.octet.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.Checkpoint;
import dev.octet.checkpoint.Checkpoints;
import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.Providers;
import dev.octet.tensor.Tensor;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The shared model cases: strict tolerance and every argmax, with both providers. */
class ConformanceTest {
  private static final double STRICT = 2e-3;

  /** Dense models of the architectures, and two quantized formats in the canonical schemes. */
  private static final List<String> CASES =
      List.of(
          "llama_bf16_sharded",
          "llama_bias_f16",
          "llama_gqa4_f16",
          "llama_rope_dynamic",
          "llama_rope_linear",
          "llama_rope_llama3",
          "llama_tied_f32",
          "mistral_window_bf16",
          "qwen2_bf16",
          "qwen3_bf16",
          "qwen3_yarn_bf16",
          "ct_fp8_dynamic",
          "ct_fp8_kv_cache",
          "ct_fp8_static",
          "ct_mixed_groups",
          "ct_w4a16_asym",
          "ct_w4a16_sym",
          "ct_w8a8_dynamic",
          "ascend_c8",
          "ascend_faquant_channel",
          "ascend_faquant_head",
          "ascend_mixed",
          "ascend_w4a16_channel",
          "ascend_w4a16_group",
          "ascend_w4a16_v0",
          "ascend_w4a8_dynamic",
          "ascend_w8a16",
          "ascend_w8a8_bf16",
          "ascend_w8a8_dynamic",
          "ascend_w8a8_fp16",
          "ascend_w8a8_v0_norm_bias");

  static Stream<Arguments> cases() {
    return Stream.of("reference", "vector")
        .flatMap(p -> CASES.stream().map(name -> Arguments.of(name, p)));
  }

  @ParameterizedTest(name = "{0} with {1}")
  @MethodSource("cases")
  void logitsAndArgmaxAreThoseOfTheReference(String name, String provider) {
    Path folder = Shared.path("conformance").resolve(name);
    Assumptions.assumeTrue(Shared.conformanceCases().contains(name));
    try (Checkpoint checkpoint = Checkpoints.open(folder.resolve("model"));
        SafetensorsFile expected = SafetensorsFile.open(folder.resolve("expected.safetensors"));
        Kernels kernels = Providers.create(provider, 2);
        CausalLm model = CausalLm.load(checkpoint, kernels, RunOptions.exact());
        KvCache cache = model.newCache()) {
      int[] ids = Logits.ints(Logits.named(expected, "input_ids"));
      Tensor logits = model.forward(ids, cache, false);
      Tensor wanted = Logits.named(expected, "logits");
      assertThat(Logits.relL1(logits, wanted)).isLessThan(STRICT);
      int[] argmax = Logits.ints(Logits.named(expected, "argmax"));
      for (int i = 0; i < ids.length; i++) {
        assertThat(Logits.argmax(logits.row(i))).as("position %d", i).isEqualTo(argmax[i]);
      }
    }
  }
}
