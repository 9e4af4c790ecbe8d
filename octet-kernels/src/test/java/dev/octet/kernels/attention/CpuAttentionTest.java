package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.NotFiniteException;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
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

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("providers")
  void whatHasNoKernelInCSaysSo(String provider) {
    KvSpec plain = new KvSpec(2, 64, 64, KvType.BF16, null);
    KvSpec latent = new KvSpec(1, 80, 64, KvType.BF16, null);
    try (Kernels kernels = TestKernels.create(provider, 1)) {
      for (AttentionKind kind : KINDS) {
        assertThat(kernels.attention().detour(kind, plain)).isNull();
      }
      assertThat(kernels.attention().detour(AttentionKind.INT_FLASH, plain))
          .contains("int-flash", "vector provider");
      assertThat(kernels.attention().detour(AttentionKind.INT8, latent))
          .contains("int8 over keys wider than values");
      assertThat(kernels.attention().detour(AttentionKind.BF16, latent)).isNull();
    }
    try (Kernels vector = TestKernels.create("vector", 1)) {
      assertThat(vector.attention().detour(AttentionKind.INT_FLASH, plain)).isNull();
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

  /**
   * The log-sum-exp over two keys tells a query's codes apart: one step of one of them moves it by
   * about 1e-3, rounding of its sums by 1e-6.
   */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("providers")
  void queriesHaveTheCodesThatTheReferenceGivesThem(String provider) {
    for (int dim : new int[] {64, 80, 128}) {
      Inputs x = Inputs.normal(dim, 400, 4, 2, 1, dim, dim);
      AttentionSpec spec = AttentionSpec.full(4, 0.1f);
      assertThat(Inputs.maxDiff(lse(provider, x, spec), Inputs.widen(lse("reference", x, spec))))
          .as("%d channels", dim)
          .isLessThan(2e-5);
    }
  }

  private static float[] lse(String provider, Inputs x, AttentionSpec spec) {
    int dim = (int) x.q().dim(2);
    try (Kernels kernels = TestKernels.create(provider, 1);
        KvLayer kv = kernels.attention().newKvLayer(new KvSpec(1, dim, dim, KvType.INT8, null))) {
      x.appendTo(kv, 2);
      return x.attend(kernels.attention(), AttentionKind.INT8, spec, kv).lse();
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

  static Stream<String> cpu() {
    return TestKernels.all().stream().filter(name -> name.startsWith("cpu-"));
  }

  static Stream<Arguments> writers() {
    return TestKernels.all().stream()
        .filter(name -> name.startsWith("cpu-"))
        .flatMap(name -> Stream.of(KvType.values()).map(type -> Arguments.of(name, type)));
  }

  private static final int[][] SHAPES = {
    {64, 64}, {128, 128}, {80, 80}, {5, 7}, {24, 16}, {16, 24}, {37, 37}
  };

  /** Chunks that end inside the first block, inside others and at their ends; rows of zeros. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("writers")
  void whatIsAppendedIsTheSameBytesAsInJava(String provider, KvType type) {
    for (int[] shape : SHAPES) {
      Inputs x = Inputs.normal(13, 1, 1, 300, 3, shape[0], shape[1]);
      for (int i = 0; i < 3 * shape[0]; i++) {
        x.keys().setFloat(70L * 3 * shape[0] + i, 0);
      }
      for (int i = 0; i < 3 * shape[1]; i++) {
        x.values().setFloat(71L * 3 * shape[1] + i, 0);
      }
      x.values().setFloat(72L * 3 * shape[1], Float.POSITIVE_INFINITY);
      KvSpec spec = new KvSpec(3, shape[0], shape[1], type, null);
      requireSameBytes(provider, spec, x, 1, 40, 30, 57, 100, 72);
    }
  }

  /** One scale, one a head, one a channel; offsets go with INT8. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("writers")
  void staticScalesAndOffsetsGiveTheSameBytesAsInJava(String provider, KvType type) {
    assumeTrue(type.bits() == 8);
    for (int[] shape : SHAPES) {
      Inputs x = Inputs.normal(17, 1, 1, 200, 3, shape[0], shape[1]);
      for (StaticKvScales scales : staticScales(3, shape[0], shape[1])) {
        KvSpec spec = new KvSpec(3, shape[0], shape[1], type, scales);
        requireSameBytes(provider, spec, x, 1, 7, 100, 92);
      }
    }
  }

  private static List<StaticKvScales> staticScales(int heads, int keyDim, int valueDim) {
    Random random = new Random(5);
    float[] perChannel = numbers(random, heads * keyDim, 0.004f, 0.04f);
    float[] perHead = numbers(random, heads, 0.01f, 0.03f);
    float[] keyOffsets = numbers(random, heads * keyDim, -128, 127);
    float[] valueOffsets = numbers(random, heads * valueDim, -30, 30);
    return List.of(
        new StaticKvScales(new float[] {0.02f}, perHead),
        new StaticKvScales(perChannel, numbers(random, heads * valueDim, 1e-4f, 1)),
        new StaticKvScales(perChannel, perHead, keyOffsets, valueOffsets),
        new StaticKvScales(perHead, new float[] {0.03f}, new float[] {0}, new float[] {-7}));
  }

  private static float[] numbers(Random random, int n, float least, float most) {
    float[] numbers = new float[n];
    for (int i = 0; i < n; i++) {
      numbers[i] = random.nextFloat(least, most);
    }
    return numbers;
  }

  /** Every power of two, what lies halfway between codes, and what is no number. */
  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("writers")
  void numbersOfEverySizeGiveTheSameBytesAsInJava(String provider, KvType type) {
    Inputs x = Inputs.normal(19, 1, 1, 300, 2, 24, 24);
    for (long i = 0; i < x.values().size(); i++) {
      float power = Math.scalb(1f, (int) (i * 7 % 276) - 149);
      float eighths = 1 + i % 17 / 16f; // ties of E5M2 and E4M3
      float v = i % 61 == 0 ? edge((int) (i / 61)) : (i % 3 == 0 ? -power : power) * eighths;
      x.values().setFloat(i, v);
      x.keys().setFloat(i, i % 5 == 0 ? eighths : i % 7 == 0 ? -0f : -eighths / 512);
    }
    requireSameBytes(provider, new KvSpec(2, 24, 24, type, null), x, 300);
    if (type.bits() == 8 && type != KvType.INT8) {
      StaticKvScales one = new StaticKvScales(new float[] {1}, new float[] {1});
      requireSameBytes(provider, new KvSpec(2, 24, 24, type, one), x, 300);
    }
  }

  private static float edge(int i) {
    return switch (i % 6) {
      case 0 -> Float.NaN;
      case 1 -> Float.POSITIVE_INFINITY;
      case 2 -> Float.NEGATIVE_INFINITY;
      case 3 -> Float.MAX_VALUE;
      case 4 -> -Float.MIN_VALUE;
      default -> -0f;
    };
  }

  @ParameterizedTest(allowZeroInvocations = true)
  @MethodSource("cpu")
  void whatIsNoNumberCannotHideBehindStaticScales(String provider) {
    StaticKvScales one = new StaticKvScales(new float[] {1}, new float[] {1});
    for (float poison : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
      for (int tokens : new int[] {1, 100}) {
        Inputs x = Inputs.normal(1, 1, 1, tokens, 2, 24, 24);
        (tokens == 1 ? x.keys() : x.values()).setFloat(tokens * 48L - 1, poison);
        try (Kernels kernels = TestKernels.create(provider, 2);
            KvLayer kv = kernels.attention().newKvLayer(new KvSpec(2, 24, 24, KvType.INT8, one))) {
          assertThatThrownBy(() -> x.appendTo(kv, tokens))
              .isInstanceOf(NotFiniteException.class)
              .hasMessageContaining("static scales");
          assertThat(kv.length()).isZero();
        }
      }
    }
  }

  private static void requireSameBytes(String provider, KvSpec spec, Inputs x, int... chunks) {
    try (Kernels kernels = TestKernels.create(provider, 2);
        PagedKvLayer java = new PagedKvLayer(spec);
        PagedKvLayer got = PagedKvLayer.of(kernels.attention().newKvLayer(spec))) {
      x.appendTo(java, (int) x.keys().dim(0));
      x.appendTo(got, chunks);
      for (int block = 0; block < java.blocks(); block++) {
        if (got.block(block).mismatch(java.block(block)) >= 0) {
          assertThat(got.block(block).toArray(JAVA_BYTE))
              .as("block %s of %s", block, spec)
              .isEqualTo(java.block(block).toArray(JAVA_BYTE));
        }
      }
    }
  }
}
