package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.TestKernels;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What the native provider promises beyond parity. */
class CpuAttentionTest {
  static Stream<Arguments> kinds() {
    return TestKernels.all().stream()
        .filter(name -> name.startsWith("cpu-"))
        .flatMap(
            name ->
                Stream.of(
                        AttentionKind.F32,
                        AttentionKind.BF16,
                        AttentionKind.INT8,
                        AttentionKind.INT8_FAST,
                        AttentionKind.INT8_BF16)
                    .map(kind -> Arguments.of(name, kind)));
  }

  /** Long enough that keys are split, both for one query and for many. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("kinds")
  void theResultIsTheSameBitsWhateverTheNumberOfThreads(String provider, AttentionKind kind) {
    for (int queries : new int[] {1, 40}) {
      Inputs x = Inputs.normal(11, queries, 8, 2100, 2, 64, 64);
      AttentionSpec spec = AttentionSpec.causal(8, 0.125f, 2100 - queries);
      Inputs.Result one = attend(provider, 1, kind, x, spec);
      for (int threads : List.of(2, 5)) {
        Inputs.Result got = attend(provider, threads, kind, x, spec);
        assertThat(got.out()).isEqualTo(one.out());
        assertThat(got.lse()).isEqualTo(one.lse());
      }
    }
  }

  private static Inputs.Result attend(
      String provider, int threads, AttentionKind kind, Inputs x, AttentionSpec spec) {
    try (Kernels kernels = TestKernels.create(provider, threads);
        KvLayer kv = kernels.attention().newKvLayer(new KvSpec(2, 64, 64, KvType.INT8, null))) {
      x.appendTo(kv, 2100);
      return x.attend(kernels.attention(), kind, spec, kv);
    }
  }

  /** Splits of keys are merged right: against keys that are not split. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("kinds")
  void splittingKeysChangesNothingButRounding(String provider, AttentionKind kind) {
    checkSplits(provider, kind, 3000);
  }

  /** So many keys that a task takes all heads. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("kinds")
  void takingHeadsTogetherChangesNothingButRounding(String provider, AttentionKind kind) {
    checkSplits(provider, kind, 16_500);
  }

  private static void checkSplits(String provider, AttentionKind kind, int n) {
    Inputs x = Inputs.normal(12, 1, 8, n, 2, 128, 128);
    AttentionSpec spec = AttentionSpec.causal(8, 0.09f, n - 1);
    try (Kernels reference = TestKernels.create("reference", 1);
        Kernels kernels = TestKernels.create(provider, 2);
        KvLayer kv = kernels.attention().newKvLayer(new KvSpec(2, 128, 128, KvType.INT8, null))) {
      x.appendTo(kv, n);
      Inputs.Result expected = x.attend(reference.attention(), kind, spec, kv);
      Inputs.Result got = x.attend(kernels.attention(), kind, spec, kv);
      // P rounded to BF16 under other maxima, the more splits the more of them.
      double limit = kind == AttentionKind.F32 ? 2e-6 : 3e-3;
      assertThat(Inputs.relL1(got.out(), expected.out())).isLessThan(limit);
      assertThat(Inputs.maxDiff(got.lse(), Inputs.widen(expected.lse()))).isLessThan(2e-5);
    }
  }

  static Stream<Arguments> writers() {
    return TestKernels.all().stream()
        .filter(name -> name.startsWith("cpu-"))
        .flatMap(name -> Stream.of(KvType.values()).map(type -> Arguments.of(name, type)));
  }

  /** Chunks that end inside the first block, inside others and at their ends; rows of zeros. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("writers")
  void whatIsAppendedIsTheSameBytesAsInJava(String provider, KvType type) {
    for (int[] shape : new int[][] {{64, 64}, {128, 128}, {80, 80}, {5, 7}, {24, 16}, {16, 24}}) {
      Inputs x = Inputs.normal(13, 1, 1, 300, 3, shape[0], shape[1]);
      for (int i = 0; i < 3 * shape[0]; i++) {
        x.keys().setFloat(70L * 3 * shape[0] + i, 0);
      }
      for (int i = 0; i < 3 * shape[1]; i++) {
        x.values().setFloat(71L * 3 * shape[1] + i, 0);
      }
      x.values().setFloat(72L * 3 * shape[1], Float.POSITIVE_INFINITY);
      KvSpec spec = new KvSpec(3, shape[0], shape[1], type, null);
      try (Kernels kernels = TestKernels.create(provider, 2);
          PagedKvLayer java = new PagedKvLayer(spec);
          PagedKvLayer got = PagedKvLayer.of(kernels.attention().newKvLayer(spec))) {
        x.appendTo(java, 300);
        x.appendTo(got, 1, 40, 30, 57, 100, 72);
        for (int block = 0; block < java.blocks(); block++) {
          assertThat(got.block(block).toArray(JAVA_BYTE))
              .as("block %s of %s", block, shape[0])
              .isEqualTo(java.block(block).toArray(JAVA_BYTE));
        }
      }
    }
  }
}
