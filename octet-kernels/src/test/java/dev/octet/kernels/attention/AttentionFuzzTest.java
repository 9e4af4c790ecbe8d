package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.TestKernels;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random shapes against the reference: a second in every build, longer where asked. */
class AttentionFuzzTest {
  private static final List<KvType> TYPES = List.of(KvType.values());
  private static final long SECONDS = Long.getLong("octet.fuzz.seconds", 1);

  @ParameterizedTest
  @MethodSource("dev.octet.kernels.TestKernels#fast")
  void everyKindMatchesOnShapesNobodyThoughtOf(String provider) {
    long end = System.nanoTime() + SECONDS * 1_000_000_000L / TestKernels.fast().size();
    try (Kernels kernels = TestKernels.create(provider, 2);
        Kernels reference = TestKernels.create("reference", 2)) {
      for (long seed = 1; System.nanoTime() < end; seed++) {
        check("seed " + seed, new Random(seed), reference.attention(), kernels.attention());
      }
    }
  }

  private static void check(
      String seed, Random random, AttentionKernels reference, AttentionKernels kernels) {
    Call call = call(random);
    KvType type = TYPES.get(random.nextInt(TYPES.size()));
    KvSpec spec =
        new KvSpec(call.kvHeads(), call.keyDim(), call.valueDim(), type, scales(random, call));
    Inputs inputs = call.inputs();
    int[] chunks = random.ints(4, 1, 150).toArray();
    try (PagedKvLayer java = new PagedKvLayer(spec);
        PagedKvLayer own = PagedKvLayer.of(kernels.newKvLayer(spec))) {
      inputs.appendTo(java, call.n());
      inputs.appendTo(own, chunks);
      String what = seed + ", " + call + " " + type;
      for (int block = 0; block < java.blocks(); block++) {
        assertThat(own.block(block).toArray(JAVA_BYTE))
            .as("%s, block %s", what, block)
            .isEqualTo(java.block(block).toArray(JAVA_BYTE));
      }
      for (AttentionKind kind : AttentionKind.values()) {
        Inputs.Result expected = inputs.attend(reference, kind, call.spec(), java);
        Inputs.Result got = inputs.attend(kernels, kind, call.spec(), own);
        double limit = kind == AttentionKind.F32 ? 1e-5 : 0.01;
        assertThat(Inputs.relL1(got.out(), expected.out()))
            .as("%s %s", what, kind)
            .isLessThan(limit);
        assertThat(Inputs.maxDiff(got.lse(), Inputs.widen(expected.lse())))
            .as("lse %s %s", what, kind)
            .isLessThan(5e-3);
      }
    }
  }

  private static Call call(Random random) {
    int kvHeads = 1 + random.nextInt(3);
    int heads = kvHeads * (1 + random.nextInt(6));
    int keyDim = 1 + random.nextInt(random.nextBoolean() ? 24 : 150);
    int valueDim = random.nextBoolean() ? keyDim : 1 + random.nextInt(150);
    int n = 1 + random.nextInt(random.nextBoolean() ? 70 : 400);
    int queries =
        random.nextBoolean() ? 1 + random.nextInt(3) : 1 + random.nextInt(Math.min(n, 90));
    boolean causal = random.nextBoolean();
    int window = causal && random.nextInt(3) == 0 ? 1 + random.nextInt(100) : 0;
    boolean masked = random.nextInt(4) == 0;
    return new Call(queries, heads, kvHeads, n, keyDim, valueDim, causal, window, masked);
  }

  private static @Nullable StaticKvScales scales(Random random, Call call) {
    if (random.nextInt(4) > 0) {
      return null;
    }
    float[] keys = new float[call.kvHeads()];
    float[] values = new float[call.kvHeads() * call.valueDim()];
    Arrays.fill(keys, 0.03f);
    Arrays.fill(values, 0.02f);
    return new StaticKvScales(keys, values);
  }
}
