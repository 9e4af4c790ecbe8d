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
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What the native provider promises beyond parity. */
class CpuAttentionTest {
  private static final List<AttentionKind> KINDS =
      List.of(
          AttentionKind.F32,
          AttentionKind.BF16,
          AttentionKind.INT8,
          AttentionKind.INT8_FAST,
          AttentionKind.INT8_BF16);

  static List<String> providers() {
    return TestKernels.all().stream().filter(name -> name.startsWith("cpu-")).toList();
  }

  /** Long enough that keys are split, both for one query and for many. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("providers")
  void theResultIsTheSameBitsWhateverTheNumberOfThreads(String provider) {
    for (int queries : new int[] {1, 40}) {
      Inputs x = Inputs.normal(11, queries, 8, 2100, 2, 64, 64);
      AttentionSpec spec = AttentionSpec.causal(8, 0.125f, 2100 - queries);
      List<Inputs.Result> one = attend(provider, 1, x, spec);
      for (int threads : List.of(2, 5)) {
        List<Inputs.Result> got = attend(provider, threads, x, spec);
        for (int i = 0; i < KINDS.size(); i++) {
          assertThat(got.get(i).out()).as("%s", KINDS.get(i)).isEqualTo(one.get(i).out());
          assertThat(got.get(i).lse()).as("%s", KINDS.get(i)).isEqualTo(one.get(i).lse());
        }
      }
    }
  }

  private static List<Inputs.Result> attend(
      String provider, int threads, Inputs x, AttentionSpec spec) {
    try (Kernels kernels = TestKernels.create(provider, threads);
        KvLayer kv = kernels.attention().newKvLayer(new KvSpec(2, 64, 64, KvType.INT8, null))) {
      x.appendTo(kv, 2100);
      return KINDS.stream().map(kind -> x.attend(kernels.attention(), kind, spec, kv)).toList();
    }
  }

  /** Splits of keys are merged right: against keys that are not split. */
  @Test
  void splittingKeysChangesNothingButRounding() {
    checkSplits(3000, 128);
  }

  /** So many keys that a task takes all heads. */
  @Test
  void takingHeadsTogetherChangesNothingButRounding() {
    checkSplits(16_500, 64);
  }

  private static void checkSplits(int n, int dim) {
    Inputs x = Inputs.normal(12, 1, 8, n, 2, dim, dim);
    AttentionSpec spec = AttentionSpec.causal(8, 0.09f, n - 1);
    KvSpec stored = new KvSpec(2, dim, dim, KvType.INT8, null);
    try (Kernels reference = TestKernels.create("reference", 2);
        KvLayer plain = reference.attention().newKvLayer(stored)) {
      x.appendTo(plain, n);
      Map<AttentionKind, Inputs.Result> expected = new EnumMap<>(AttentionKind.class);
      KINDS.forEach(kind -> expected.put(kind, x.attend(reference.attention(), kind, spec, plain)));
      for (String provider : providers()) {
        try (Kernels kernels = TestKernels.create(provider, 2);
            KvLayer kv = kernels.attention().newKvLayer(stored)) {
          x.appendTo(kv, n);
          expected.forEach(
              (kind, result) ->
                  requireClose(
                      provider, kind, x.attend(kernels.attention(), kind, spec, kv), result));
        }
      }
    }
  }

  private static void requireClose(
      String provider, AttentionKind kind, Inputs.Result got, Inputs.Result expected) {
    // P rounded to BF16 under other maxima, the more splits the more of them.
    double limit = kind == AttentionKind.F32 ? 2e-6 : 3e-3;
    assertThat(Inputs.relL1(got.out(), expected.out()))
        .as("%s %s", provider, kind)
        .isLessThan(limit);
    assertThat(Inputs.maxDiff(got.lse(), Inputs.widen(expected.lse())))
        .as("lse %s %s", provider, kind)
        .isLessThan(2e-5);
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
          if (got.block(block).mismatch(java.block(block)) >= 0) {
            assertThat(got.block(block).toArray(JAVA_BYTE))
                .as("block %s of %s", block, shape[0])
                .isEqualTo(java.block(block).toArray(JAVA_BYTE));
          }
        }
      }
    }
  }
}
