package dev.octet.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.WorkPool;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;

/** Providers agree on calls that nobody thought of. */
class AttentionPropertyTest {
  private static final WorkPool POOL = new WorkPool(3);
  private static final AttentionKernels REFERENCE = TestProviders.attention("reference", POOL);
  private static final AttentionKernels VECTOR = TestProviders.attention("vector", POOL);

  @AfterContainer
  static void close() {
    POOL.close();
  }

  @Property(tries = 100)
  void vectorMatchesReference(
      @ForAll("calls") Call call,
      @ForAll KvType type,
      @ForAll boolean staticScales,
      @ForAll Random random) {
    Inputs inputs = call.inputs();
    StaticKvScales scales = staticScales ? scales(call, random) : null;
    KvSpec spec = new KvSpec(call.kvHeads(), call.keyDim(), call.valueDim(), type, scales);
    try (KvLayer a = REFERENCE.newKvLayer(spec);
        KvLayer b = VECTOR.newKvLayer(spec)) {
      inputs.appendTo(a, 1 + random.nextInt(100));
      inputs.appendTo(b, 1 + random.nextInt(100));
      for (AttentionKind kind : AttentionKind.values()) {
        Inputs.Result expected = inputs.attend(REFERENCE, kind, call.spec(), a);
        Inputs.Result got = inputs.attend(VECTOR, kind, call.spec(), b);
        assertThat(error(got.out(), expected.out(), call.n()))
            .as("%s", kind)
            .isLessThan(limit(kind));
        assertThat(Inputs.maxDiff(got.lse(), Inputs.widen(expected.lse())))
            .as("lse %s", kind)
            .isLessThan(kind == AttentionKind.INT_FLASH ? 0.02 : 1e-4);
      }
    }
  }

  /** Mean error relative to mean size, but no less size than the average of n values has. */
  private static double error(float[] got, float[] expected, int n) {
    double error = 0;
    double size = got.length / Math.sqrt(n);
    double total = 0;
    for (int i = 0; i < got.length; i++) {
      error += Math.abs((double) got[i] - expected[i]);
      total += Math.abs(expected[i]);
    }
    return error / Math.max(size, total);
  }

  /** A code that falls to the other side weighs most where there are few keys and channels. */
  private static double limit(AttentionKind kind) {
    return switch (kind) {
      case F32 -> 3e-6;
      case BF16, INT8_BF16, INT_FLASH_HALF -> 6e-3;
      case INT8, INT8_FAST -> 8e-3;
      case INT_FLASH -> 2e-2;
    };
  }

  private static StaticKvScales scales(Call call, Random random) {
    float[] key = new float[random.nextBoolean() ? 1 : call.kvHeads()];
    float[] value = new float[call.kvHeads() * call.valueDim()];
    Arrays.fill(key, 0.03f);
    for (int i = 0; i < value.length; i++) {
      value[i] = 0.02f + random.nextFloat() / 50;
    }
    if (random.nextBoolean()) {
      return new StaticKvScales(key, value);
    }
    float[] keyOffset = new float[call.kvHeads() * call.keyDim()];
    for (int i = 0; i < keyOffset.length; i++) {
      keyOffset[i] = random.nextInt(61) - 30;
    }
    return new StaticKvScales(key, value, keyOffset, new float[] {random.nextInt(61) - 30});
  }

  @Provide
  Arbitrary<Call> calls() {
    Arbitrary<Integer> dim = Arbitraries.of(2, 5, 8, 20, 33, 64, 80, 128);
    Arbitrary<Integer> group = Arbitraries.of(1, 2, 3, 8);
    Arbitrary<Boolean> flag = Arbitraries.of(true, false);
    return Combinators.combine(
            Arbitraries.integers().between(1, 70),
            Arbitraries.integers().between(1, 3),
            group,
            Arbitraries.integers().between(1, 600),
            dim,
            dim,
            Arbitraries.integers().between(-40, 80),
            flag)
        .as(AttentionPropertyTest::call);
  }

  /** Below −20: all keys; below 1: causal; above: a window of so many keys. */
  private static Call call(
      int queries,
      int kvHeads,
      int group,
      int n,
      int keyDim,
      int valueDim,
      int visible,
      boolean masked) {
    boolean causal = visible >= -20;
    int rows = Math.max(1, queries / group);
    int window = Math.max(0, visible);
    return new Call(rows, kvHeads * group, kvHeads, n, keyDim, valueDim, causal, window, masked);
  }
}
