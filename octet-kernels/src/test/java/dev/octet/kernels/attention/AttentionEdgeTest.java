package dev.octet.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Inputs at the edge, for every provider and kind. */
class AttentionEdgeTest {
  private static final WorkPool POOL = new WorkPool(2);

  @AfterAll
  static void close() {
    POOL.close();
  }

  static Stream<Arguments> kinds() {
    return TestProviders.ALL.stream()
        .flatMap(name -> Arrays.stream(AttentionKind.values()).map(k -> Arguments.of(name, k)));
  }

  private static AttentionKernels kernels(String provider) {
    return TestProviders.attention(provider, POOL);
  }

  private static boolean isQuantized(AttentionKind kind) {
    return kind != AttentionKind.F32;
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void queriesThatSeeNoKeyGiveZeroAndMinusInfinity(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(1, 6, 2, 3, 1, 16, 16);
    Inputs.Result got = x.attend(kernels(provider), kind, AttentionSpec.causal(2, 0.25f, -3));
    for (int i = 0; i < 3 * 2 * 16; i++) {
      assertThat(got.out()[i]).isZero();
    }
    assertThat(got.lse()[0]).isEqualTo(Float.NEGATIVE_INFINITY);
    assertThat(got.lse()[8]).isEqualTo(Float.NEGATIVE_INFINITY);
    assertThat(got.lse()[3]).isFinite();
    for (float o : got.out()) {
      assertThat(o).isFinite();
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void anEmptyCacheGivesZeros(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(1, 2, 2, 1, 1, 16, 16);
    try (KvLayer kv = kernels(provider).newKvLayer(new KvSpec(1, 16, 16, KvType.INT8, null))) {
      Inputs.Result got = x.attend(kernels(provider), kind, AttentionSpec.full(2, 1), kv);
      assertThat(got.out()).containsOnly(0f);
      assertThat(got.lse()).containsOnly(Float.NEGATIVE_INFINITY);
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void zeroRowsAverageTheValues(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(2, 2, 2, 70, 1, 64, 64);
    float[] zeros = new float[2 * 2 * 64];
    Inputs zeroQuery = new Inputs(Tensor.ofFloats(zeros, 2, 2, 64), x.keys(), x.values());
    Inputs.Result got = zeroQuery.attend(kernels(provider), kind, AttentionSpec.full(2, 0.125f));
    assertThat(got.lse()[0]).isCloseTo((float) Math.log(70), offset(0.02f));
    Tensor none = Tensor.ofFloats(new float[70 * 64], 70, 1, 64);
    Inputs allZero = new Inputs(x.q(), none, none);
    Inputs.Result zero = allZero.attend(kernels(provider), kind, AttentionSpec.full(2, 0.125f));
    assertThat(zero.out()).containsOnly(0f);
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void constantValuesComeBackWhateverTheScores(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(3, 5, 2, 200, 1, 64, 64);
    float[] constant = new float[200 * 64];
    Arrays.fill(constant, 3);
    Inputs same = new Inputs(x.q(), x.keys(), Tensor.ofFloats(constant, 200, 1, 64));
    Inputs.Result got = same.attend(kernels(provider), kind, AttentionSpec.full(2, 0.125f));
    float off = isQuantized(kind) ? 0.03f : 1e-5f;
    for (float o : got.out()) {
      assertThat(o).isBetween(3 - off, 3 + off);
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void orderOfBlocksDoesNotMatter(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(4, 4, 2, 192, 1, 64, 64);
    Inputs swapped = new Inputs(x.q(), swapBlocks(x.keys()), swapBlocks(x.values()));
    AttentionSpec spec = AttentionSpec.full(2, 0.125f);
    Inputs.Result a = x.attend(kernels(provider), kind, spec);
    Inputs.Result b = swapped.attend(kernels(provider), kind, spec);
    double limit = kind == AttentionKind.INT_FLASH ? 0.03 : isQuantized(kind) ? 3e-3 : 1e-6;
    assertThat(Inputs.relL1(a.out(), b.out())).isLessThan(limit);
  }

  private static Tensor swapBlocks(Tensor x) {
    float[] all = x.toFloats();
    float[] out = new float[all.length];
    int third = all.length / 3;
    for (int b = 0; b < 3; b++) {
      System.arraycopy(all, b * third, out, (b + 1) % 3 * third, third);
    }
    return Tensor.ofFloats(out, x.shape());
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void nanReachesEveryQueryThatSeesIt(String provider, AttentionKind kind) {
    for (String where : new String[] {"q", "k", "v"}) {
      Inputs x = Inputs.normal(5, 4, 2, 100, 2, 64, 64);
      Tensor t = where.equals("q") ? x.q() : where.equals("k") ? x.keys() : x.values();
      t.setFloat(where.equals("q") ? 0 : 90L * 128, Float.NaN);
      try (KvLayer kv = kernels(provider).newKvLayer(new KvSpec(2, 64, 64, KvType.BF16, null))) {
        x.appendTo(kv, 100);
        Inputs.Result given = x.attend(kernels(provider), kind, AttentionSpec.causal(2, 0.1f, 96));
        Inputs.Result cached =
            x.attend(kernels(provider), kind, AttentionSpec.causal(2, 0.1f, 96), kv);
        assertThat(anyNan(given.out(), 64)).as("given %s", where).isTrue();
        assertThat(anyNan(cached.out(), 64)).as("cached %s", where).isTrue();
      }
    }
  }

  private static boolean anyNan(float[] x, int n) {
    for (int i = 0; i < n; i++) {
      if (Float.isNaN(x[i])) {
        return true;
      }
    }
    return false;
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void aForgottenNanLeavesNoTrace(String provider, AttentionKind kind) {
    for (KvType type : KvType.values()) {
      Inputs x = Inputs.normal(6, 1, 2, 70, 2, 32, 32);
      float[] bad = new float[2 * 32];
      Arrays.fill(bad, Float.NaN);
      Tensor nan = Tensor.ofFloats(bad, 1, 2, 32);
      try (KvLayer kv = kernels(provider).newKvLayer(new KvSpec(2, 32, 32, type, null))) {
        x.appendTo(kv, 70);
        Inputs.Result before = x.attend(kernels(provider), kind, AttentionSpec.full(2, 0.1f), kv);
        kv.append(nan, nan);
        kv.truncate(70);
        Inputs.Result after = x.attend(kernels(provider), kind, AttentionSpec.full(2, 0.1f), kv);
        assertThat(after.out()).as("%s", type).isEqualTo(before.out());
        assertThat(after.lse()).isEqualTo(before.lse());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void hugeScoresStayFinite(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(8, 3, 1, 130, 1, 64, 64);
    Inputs large =
        new Inputs(scaled(x.q(), 1e4f), scaled(x.keys(), 1e4f), scaled(x.values(), 1e-6f));
    Inputs.Result got = large.attend(kernels(provider), kind, AttentionSpec.full(1, 1));
    for (float o : got.out()) {
      assertThat(o).isFinite().isBetween(-6e-6f, 6e-6f);
    }
  }

  private static Tensor scaled(Tensor x, float factor) {
    float[] all = x.toFloats();
    for (int i = 0; i < all.length; i++) {
      all[i] *= factor;
    }
    return Tensor.ofFloats(all, x.shape());
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void shapesThatDoNotFitAreRefused(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(9, 2, 3, 5, 2, 8, 8);
    assertThatThrownBy(() -> x.attend(kernels(provider), kind, AttentionSpec.full(3, 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 query heads");
    Inputs y = Inputs.normal(9, 2, 2, 5, 2, 8, 8);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 2, 9);
    assertThatThrownBy(
            () ->
                kernels(provider)
                    .attend(kind, AttentionSpec.full(2, 1), y.q(), y.keys(), y.values(), out, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("out");
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void nanDoesNotReachQueriesThatDoNotSeeIt(String provider, AttentionKind kind) {
    if (kind == AttentionKind.INT_FLASH) {
      return; // one scale for all values of a head, as published
    }
    for (AttentionSpec spec : oneKeyHidden()) {
      for (String where : new String[] {"k", "v"}) {
        Inputs x = Inputs.normal(11, 8, 4, 40, 2, 64, 64);
        Tensor t = where.equals("k") ? x.keys() : x.values();
        for (int c = 0; c < 128; c++) {
          t.setFloat(36L * 128 + c, c % 2 == 0 ? Float.NaN : Float.POSITIVE_INFINITY);
        }
        for (KvType type : new KvType[] {KvType.BF16, KvType.INT8, KvType.FP8_E4M3}) {
          try (KvLayer kv = kernels(provider).newKvLayer(new KvSpec(2, 64, 64, type, null))) {
            x.appendTo(kv, 40);
            checkSpread(x.attend(kernels(provider), kind, spec, kv).out(), where + type);
          }
        }
        checkSpread(x.attend(kernels(provider), kind, spec).out(), where);
      }
    }
  }

  /** Eight queries, of which the first four do not see key 36: by causality, and by a mask. */
  private static AttentionSpec[] oneKeyHidden() {
    Tensor mask = Tensor.allocate(Arena.ofAuto(), DType.U8, 8, 40);
    for (int i = 0; i < mask.size(); i++) {
      mask.setFloat(i, i < 4 * 40 && i % 40 == 36 ? 0 : 1);
    }
    return new AttentionSpec[] {
      AttentionSpec.causal(4, 0.1f, 32), new AttentionSpec(4, 0.1f, false, 0, 0, mask)
    };
  }

  private static void checkSpread(float[] out, String what) {
    for (int i = 0; i < out.length; i++) {
      boolean sees = i / (4 * 64) >= 4;
      assertThat(Float.isFinite(out[i])).as("%s, element %d", what, i).isEqualTo(!sees);
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void aNanThatWeighsNothingStillShows(String provider, AttentionKind kind) {
    float[] keys = new float[2 * 8];
    keys[0] = 1000;
    keys[8] = -1000;
    float[] values = new float[2 * 8];
    values[8] = Float.NaN;
    float[] query = new float[8];
    query[0] = 1;
    Inputs x =
        new Inputs(
            Tensor.ofFloats(query, 1, 1, 8),
            Tensor.ofFloats(keys, 2, 1, 8),
            Tensor.ofFloats(values, 2, 1, 8));
    assertThat(x.attend(kernels(provider), kind, AttentionSpec.full(1, 1)).out()[0]).isNaN();
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void noQueriesGiveNoOutput(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(1, 1, 2, 3, 1, 16, 16);
    Tensor none = Tensor.allocate(Arena.ofAuto(), DType.F32, 0, 2, 16);
    Inputs empty = new Inputs(none, x.keys(), x.values());
    assertThat(empty.attend(kernels(provider), kind, AttentionSpec.causal(2, 1, 3)).out())
        .isEmpty();
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void theNumberOfThreadsDoesNotChangeABit(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(12, 2, 4, 1500, 2, 64, 64);
    for (int window : new int[] {0, 700}) {
      AttentionSpec spec = new AttentionSpec(4, 0.125f, true, 1498, window, null);
      Inputs.Result expected = null;
      for (int threads : new int[] {1, 2, 5, 16}) {
        try (WorkPool pool = new WorkPool(threads)) {
          Inputs.Result got = x.attend(TestProviders.attention(provider, pool), kind, spec);
          expected = expected == null ? got : expected;
          assertThat(got.out()).isEqualTo(expected.out());
          assertThat(got.lse()).isEqualTo(expected.lse());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void aClosedLayerIsNotAnEmptyOne(String provider, AttentionKind kind) {
    Inputs x = Inputs.normal(1, 1, 1, 3, 1, 16, 16);
    KvLayer kv = kernels(provider).newKvLayer(new KvSpec(1, 16, 16, KvType.BF16, null));
    kv.close();
    assertThatThrownBy(() -> x.attend(kernels(provider), kind, AttentionSpec.full(1, 1), kv))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
  }
}
