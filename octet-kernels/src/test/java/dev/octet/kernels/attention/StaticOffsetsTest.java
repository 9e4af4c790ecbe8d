package dev.octet.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.Tensor;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Asymmetric static scales: attention over the cache is attention over what its codes stand for.
 */
class StaticOffsetsTest {
  private static final WorkPool POOL = new WorkPool(2);

  @AfterAll
  static void close() {
    POOL.close();
  }

  static Stream<Arguments> providersAndCalls() {
    return TestProviders.ALL.stream()
        .flatMap(name -> Call.ALL.stream().map(call -> Arguments.of(name, call)));
  }

  @ParameterizedTest
  @MethodSource("providersAndCalls")
  void attentionIsOverWhatTheCodesStandFor(String provider, Call call) {
    AttentionKernels kernels = TestProviders.attention(provider, POOL);
    Inputs x = call.inputs();
    StaticKvScales scales = scales(call, new Random(call.hashCode()));
    Tensor keys = decoded(x.keys(), call.kvHeads(), call.keyDim(), scales, true);
    Tensor values = decoded(x.values(), call.kvHeads(), call.valueDim(), scales, false);
    DenseAttention dense = DenseAttention.of(call.spec(), x.q(), keys, values);
    KvSpec spec = new KvSpec(call.kvHeads(), call.keyDim(), call.valueDim(), KvType.INT8, scales);
    try (KvLayer kv = kernels.newKvLayer(spec)) {
      x.appendTo(kv, 1, 70, 1000);
      Inputs.Result exact = x.attend(kernels, AttentionKind.F32, call.spec(), kv);
      assertThat(Inputs.relL1(exact.out(), dense.out)).isLessThan(4e-6);
      assertThat(Inputs.maxDiff(exact.lse(), dense.lse)).isLessThan(3e-5);
      Inputs.Result int8 = x.attend(kernels, AttentionKind.INT8, call.spec(), kv);
      assertThat(Inputs.relL1(int8.out(), dense.out)).isLessThan(0.05);
      for (int i = 0; i < dense.out.length; i++) {
        if (dense.lse[lseIndex(call, i)] == Double.NEGATIVE_INFINITY) {
          assertThat(exact.out()[i]).isZero(); // a query that sees no key
        }
      }
    }
  }

  /** Element {@code i} of out [queries, heads, dim] belongs to this one of lse [heads, queries]. */
  private static int lseIndex(Call call, int i) {
    int row = i / call.valueDim();
    return row % call.heads() * call.queries() + row / call.heads();
  }

  private static StaticKvScales scales(Call call, Random random) {
    float[] key = new float[call.kvHeads() * call.keyDim()];
    float[] keyOffset = new float[key.length];
    float[] value = new float[call.kvHeads()];
    float[] valueOffset = new float[call.kvHeads() * call.valueDim()];
    for (int i = 0; i < key.length; i++) {
      key[i] = 0.02f + random.nextFloat() / 50;
      keyOffset[i] = random.nextInt(81) - 40;
    }
    for (int i = 0; i < value.length; i++) {
      value[i] = 0.03f + random.nextFloat() / 100;
    }
    for (int i = 0; i < valueOffset.length; i++) {
      valueOffset[i] = random.nextInt(41) - 20;
    }
    return new StaticKvScales(key, value, keyOffset, valueOffset);
  }

  private static Tensor decoded(
      Tensor x, int heads, int dim, StaticKvScales scales, boolean areKeys) {
    float[] all = x.toFloats();
    for (int i = 0; i < all.length; i++) {
      int h = i / dim % heads;
      int c = i % dim;
      float s = areKeys ? scales.key(h, c, heads, dim) : scales.value(h, c, heads, dim);
      float o = areKeys ? scales.keyOffset(h, c, heads, dim) : scales.valueOffset(h, c, heads, dim);
      all[i] = (float) ((Math.clamp(Math.rint(all[i] / s + o), -128.0, 127.0) - o) * s);
    }
    return Tensor.ofFloats(all, x.shape());
  }

  @Test
  void offsetsRoundHalfToEvenAndClampAfterTheyAreAdded() {
    float[] row = {0.25f, -0.75f, 100, -100, 0};
    StaticKvScales scales =
        new StaticKvScales(
            new float[] {0.5f}, new float[] {1}, new float[] {3, 3, 3, 3, -128}, new float[] {-7});
    try (PagedKvLayer kv = new PagedKvLayer(new KvSpec(1, 5, 5, KvType.INT8, scales))) {
      kv.append(Tensor.ofFloats(row, 1, 1, 5), Tensor.ofFloats(row, 1, 1, 5));
      float[] keys = new float[5];
      float[] values = new float[5];
      for (int c = 0; c < 5; c++) {
        keys[c] = kv.keyCode(0, 0, c);
        values[c] = kv.valueCode(0, 0, c);
      }
      assertThat(keys).containsExactly(4, 2, 127, -128, -128);
      assertThat(values).containsExactly(-7, -8, 93, -107, -7);
    }
  }

  @Test
  void anOffsetThatIsNoInt8IsRefused() {
    float[] one = {1};
    for (float bad : new float[] {128, -129, Float.NaN}) {
      assertThatThrownBy(() -> new StaticKvScales(one, one, new float[] {bad}, one))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("key offset");
    }
    StaticKvScales three = new StaticKvScales(one, one, new float[] {1, 2, 3}, one);
    assertThatThrownBy(() -> new KvSpec(2, 8, 8, KvType.INT8, three))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 static scales for 2 heads of 8");
  }

  @Test
  void wideCachesTakeNoNoticeOfOffsets() {
    StaticKvScales scales =
        new StaticKvScales(new float[] {1}, new float[] {1}, new float[] {9}, new float[] {9});
    KvSpec spec = new KvSpec(1, 4, 4, KvType.BF16, scales);
    try (PagedKvLayer kv = new PagedKvLayer(spec)) {
      assertThat(kv.offsets()).isNull();
      Inputs x = Inputs.normal(3, 1, 1, 5, 1, 4, 4);
      x.appendTo(kv, 5);
      AttentionSpec all = AttentionSpec.full(1, 0.5f);
      DenseAttention dense = DenseAttention.of(all, x.q(), x.keys(), x.values());
      AttentionKernels kernels = TestProviders.attention("reference", POOL);
      Inputs.Result got = x.attend(kernels, AttentionKind.F32, all, kv);
      assertThat(Inputs.relL1(got.out(), dense.out)).isLessThan(0.01);
    }
  }
}
