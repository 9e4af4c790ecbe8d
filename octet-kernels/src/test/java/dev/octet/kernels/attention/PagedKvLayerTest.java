package dev.octet.kernels.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.octet.kernels.AttentionKernels;
import dev.octet.kernels.AttentionKind;
import dev.octet.kernels.AttentionSpec;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.WorkPool;
import dev.octet.tensor.Codecs;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PagedKvLayerTest {
  private static final int HEADS = 2;
  private static final int DIM = 24;

  private static PagedKvLayer layer(KvType type) {
    return new PagedKvLayer(new KvSpec(HEADS, DIM, DIM, type, null));
  }

  private static Inputs inputs(int n) {
    return Inputs.normal(n, 3, 4, n, HEADS, DIM, DIM);
  }

  private static byte[] bytes(PagedKvLayer layer, int block) {
    return layer.block(block).toArray(ValueLayout.JAVA_BYTE);
  }

  private static void assertSameContents(PagedKvLayer a, PagedKvLayer b) {
    assertThat(a.length()).isEqualTo(b.length());
    assertThat(a.mean()).isEqualTo(b.mean());
    for (int h = 0; h < HEADS; h++) {
      for (int t = 0; t < a.length(); t++) {
        assertThat(a.keyScale(h, t)).isEqualTo(b.keyScale(h, t));
        assertThat(a.valueScale(h, t)).isEqualTo(b.valueScale(h, t));
        for (int c = 0; c < DIM; c++) {
          assertThat(a.keyCode(h, t, c)).isEqualTo(b.keyCode(h, t, c));
          assertThat(a.valueCode(h, t, c)).isEqualTo(b.valueCode(h, t, c));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void chunkedAppendsStoreWhatOneAppendStores(KvType type) {
    for (int n : new int[] {40, 64, 131}) {
      try (PagedKvLayer whole = layer(type);
          PagedKvLayer chunked = layer(type)) {
        inputs(n).appendTo(whole, n);
        inputs(n).appendTo(chunked, 1, 7, 30, 1, 50);
        assertSameContents(chunked, whole);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void whatIsCutOffAndAppendedAgainIsStoredAsBefore(KvType type) {
    for (int[] lengths : new int[][] {{40, 17}, {150, 0}, {150, 64}, {150, 130}, {128, 127}}) {
      Inputs x = inputs(lengths[0]);
      try (PagedKvLayer cut = layer(type);
          PagedKvLayer fresh = layer(type)) {
        x.appendTo(cut, 200);
        x.appendTo(fresh, 200);
        cut.truncate(lengths[1]);
        cut.append(
            Inputs.tokens(x.keys(), lengths[1], lengths[0]),
            Inputs.tokens(x.values(), lengths[1], lengths[0]));
        assertSameContents(cut, fresh);
      }
    }
  }

  @Test
  void anOpenFirstBlockIsSmoothedByTheKeysItHolds() {
    Inputs x = inputs(50);
    try (PagedKvLayer cut = layer(KvType.INT8);
        PagedKvLayer fresh = layer(KvType.INT8)) {
      x.appendTo(cut, 50);
      cut.truncate(20);
      fresh.append(Inputs.tokens(x.keys(), 0, 20), Inputs.tokens(x.values(), 0, 20));
      assertSameContents(cut, fresh);
    }
  }

  @Test
  void cuttingIntoTheClosedFirstBlockKeepsItsMeanAndStaysRight() {
    Inputs x = inputs(100);
    try (WorkPool pool = new WorkPool(1);
        PagedKvLayer kv = layer(KvType.INT8)) {
      x.appendTo(kv, 100);
      float[] mean = kv.mean();
      kv.truncate(30);
      assertThat(kv.mean()).isEqualTo(mean);
      Inputs left =
          new Inputs(x.q(), Inputs.tokens(x.keys(), 0, 30), Inputs.tokens(x.values(), 0, 30));
      AttentionSpec spec = AttentionSpec.full(4, 0.2f);
      DenseAttention dense = DenseAttention.of(spec, left.q(), left.keys(), left.values());
      for (String name : TestProviders.ALL) {
        AttentionKernels kernels = TestProviders.attention(name, pool);
        Inputs.Result got = left.attend(kernels, AttentionKind.F32, spec, kv);
        assertThat(Inputs.relL1(got.out(), dense.out)).isLessThan(0.02);
        assertThat(Inputs.maxDiff(got.lse(), dense.lse)).isLessThan(0.02);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void sequencesWithTheSameBeginningStoreTheSameFirstBlocks(KvType type) {
    Inputs a = inputs(200);
    Inputs b = Inputs.normal(9, 3, 4, 70, HEADS, DIM, DIM);
    try (PagedKvLayer one = layer(type);
        PagedKvLayer other = layer(type)) {
      a.appendTo(one, 200);
      other.append(Inputs.tokens(a.keys(), 0, 128), Inputs.tokens(a.values(), 0, 128));
      b.appendTo(other, 70);
      assertThat(bytes(one, 0)).isEqualTo(bytes(other, 0));
      assertThat(bytes(one, 1)).isEqualTo(bytes(other, 1));
      assertThat(bytes(one, 2)).isNotEqualTo(bytes(other, 2));
    }
  }

  @ParameterizedTest
  @EnumSource
  void memoryGrowsBlockByBlockAndIsFreed(KvType type) {
    KvSpec spec = new KvSpec(HEADS, DIM, DIM, type, null);
    BlockPool pool = new BlockPool((bytes, arena) -> arena.allocate(bytes, 64));
    PagedKvLayer kv = new PagedKvLayer(spec, KvFormat.of(spec), null, null, pool);
    Inputs x = inputs(65);
    assertThat(kv.blocks()).isZero();
    x.appendTo(kv, 64, 1);
    long two = kv.byteSize();
    MemorySegment second = kv.block(1);
    kv.truncate(64);
    assertThat(kv.byteSize()).isEqualTo(two - second.byteSize());
    MemorySegment again = pool.take(second.byteSize());
    assertThat(again.address()).as("what was given back").isEqualTo(second.address());
    pool.give(again);
    kv.close();
    kv.close();
    pool.close();
    assertThat(pool.byteSize()).as("what was not given back").isZero();
    assertThat(kv.byteSize()).isZero();
    assertThatThrownBy(() -> kv.append(x.keys(), x.values()))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void eightBitBlocksTakeHalfOfSixteenBitOnes() {
    KvFormat wide = KvFormat.of(new KvSpec(2, 128, 128, KvType.BF16, null));
    KvFormat narrow = KvFormat.of(new KvSpec(2, 128, 128, KvType.INT8, null));
    assertThat(wide.blockBytes()).isEqualTo(2L * 2 * 64 * 128 * 2);
    assertThat(narrow.blockBytes()).isEqualTo(2L * 2 * 64 * (128 + 4));
  }

  @Test
  void fourBitBlocksTakeHalfOfThatAndHaveZeroPoints() {
    KvFormat four = KvFormat.of(new KvSpec(2, 128, 128, KvType.INT4, null));
    assertThat(four.blockBytes()).isEqualTo(2L * 64 * ((128 + 128) / 2 + 2 * (4 + 1)));
    assertThat(four.rotatedKeys()).isTrue();
  }

  /** Within half a step of every number, of rows all positive, all negative and mixed. */
  @Test
  void fourBitValuesComeBackWithinHalfAStepOfTheirRow() {
    Inputs x = inputs(130);
    for (int i = 0; i < 20 * HEADS * DIM; i++) {
      float shift = i / (HEADS * DIM) % 3 - 1;
      x.values().setFloat(i, x.values().getFloat(i) + 5 * shift);
    }
    try (PagedKvLayer kv = layer(KvType.INT4)) {
      x.appendTo(kv, 130);
      for (int t = 0; t < 130; t++) {
        for (int h = 0; h < HEADS; h++) {
          float step = kv.valueScale(h, t);
          float min = 0;
          float max = 0;
          for (int c = 0; c < DIM; c++) {
            float wanted = x.values().getFloat(((long) t * HEADS + h) * DIM + c);
            min = Math.min(min, wanted);
            max = Math.max(max, wanted);
            // The zero point is rounded, too: at either end of the range that costs another half.
            assertThat(kv.valueCode(h, t, c) * step)
                .isCloseTo(wanted, within(step * (Math.abs(wanted) > 6 * step ? 1.01f : 0.51f)));
          }
          assertThat(step).isEqualTo((float) (((double) max - min) / 15));
        }
      }
    }
  }

  @Test
  void fourBitRowsOfZerosStayZerosAndWhatIsNotFiniteBecomesNaN() {
    Inputs x = inputs(3);
    for (int i = 0; i < HEADS * DIM; i++) {
      x.values().setFloat(i, 0);
      x.keys().setFloat(HEADS * DIM + i, Float.POSITIVE_INFINITY);
    }
    x.values().setFloat(2L * HEADS * DIM, Float.NaN);
    try (PagedKvLayer kv = layer(KvType.INT4)) {
      x.appendTo(kv, 3);
      assertThat(kv.valueCode(0, 0, 3) * kv.valueScale(0, 0)).isZero();
      assertThat(kv.keyCode(1, 1, 2) * kv.keyScale(1, 1)).isNaN();
      assertThat(kv.valueCode(0, 2, 5) * kv.valueScale(0, 2)).isNaN();
      assertThat(kv.valueCode(1, 2, 5) * kv.valueScale(1, 2)).isFinite();
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FP8_E4M3", "FP8_E5M2"})
  void fp8ScalesAreComputedFromTheLargestElement(KvType type) {
    float max = type == KvType.FP8_E4M3 ? Codecs.E4M3_MAX : Codecs.E5M2_MAX;
    Inputs x = inputs(5);
    try (PagedKvLayer kv = layer(type)) {
      x.appendTo(kv, 5);
      for (int t = 0; t < 5; t++) {
        for (int h = 0; h < HEADS; h++) {
          float[] key = new float[DIM];
          x.keys().copyRange(((long) t * HEADS + h) * DIM, key);
          assertThat(kv.keyScale(h, t)).isEqualTo(RowQuant.absMax(key, 0, DIM) / max);
        }
      }
    }
  }

  @Test
  void staticScalesRoundHalfToEvenAndClamp() {
    float[] row = {0.25f, -0.25f, 0.75f, 100, -100, 0};
    KvSpec spec =
        new KvSpec(
            1,
            6,
            6,
            KvType.INT8,
            new StaticKvScales(new float[] {0.5f}, new float[] {1, 1, 0.5f, 1, 1, 1}));
    try (PagedKvLayer kv = new PagedKvLayer(spec)) {
      kv.append(Tensor.ofFloats(row, 1, 1, 6), Tensor.ofFloats(row, 1, 1, 6));
      float[] keys = new float[6];
      float[] values = new float[6];
      for (int c = 0; c < 6; c++) {
        keys[c] = kv.keyCode(0, 0, c);
        values[c] = kv.valueCode(0, 0, c);
      }
      assertThat(keys).containsExactly(0, 0, 2, 127, -128, 0);
      assertThat(values).containsExactly(0, 0, 2, 100, -100, 0);
      assertThat(kv.mean()).isNull();
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY})
  void whatIsNoNumberCannotHideBehindStaticScales(float poison) {
    StaticKvScales one = new StaticKvScales(new float[] {1}, new float[] {1});
    Tensor x = Tensor.ofFloats(new float[] {poison}, 1, 1, 1);
    try (PagedKvLayer kv = new PagedKvLayer(new KvSpec(1, 1, 1, KvType.INT8, one))) {
      assertThatThrownBy(() -> kv.append(x, x))
          .isInstanceOf(ArithmeticException.class)
          .hasMessageContaining("static scales");
      assertThat(kv.length()).isZero();
    }
    for (KvType type : new KvType[] {KvType.FP8_E4M3, KvType.FP8_E5M2}) {
      try (PagedKvLayer kv = new PagedKvLayer(new KvSpec(1, 1, 1, type, one))) {
        kv.append(x, x);
        assertThat(kv.keyCode(0, 0, 0)).isNaN();
        assertThat(kv.valueCode(0, 0, 0)).isNaN();
      }
    }
  }

  /** Token after token, cut back and continued, against a layer that is recoded as a whole. */
  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16", "FP8_E4M3"})
  void aKeptCopyIsWhatAFreshOneWouldBe(KvType type) {
    Inputs x = inputs(210);
    Inputs y = Inputs.normal(99, 3, 4, 210, HEADS, DIM, DIM);
    try (WorkPool pool = new WorkPool(2);
        PagedKvLayer grown = layer(type)) {
      AttentionKernels kernels = TestProviders.attention("vector", pool);
      for (int[] step : new int[][] {{0, 50}, {50, 64}, {64, 65}, {65, 130}, {130, 131}}) {
        appendRange(grown, x, step[0], step[1]);
        checkAgainstFresh(kernels, x, step[1], x, grown);
      }
      long bytes = grown.byteSize();
      for (int cut : new int[] {130, 100, 64, 63, 10}) { // the last two open the first block again
        grown.truncate(cut);
        appendRange(grown, y, cut, 131);
        checkAgainstFresh(kernels, x, cut, y, grown);
        assertThat(grown.byteSize()).isEqualTo(bytes);
        grown.truncate(cut);
        appendRange(grown, x, cut, 131);
        checkAgainstFresh(kernels, x, 131, x, grown);
      }
    }
  }

  private static void appendRange(PagedKvLayer kv, Inputs x, int from, int to) {
    kv.append(Inputs.tokens(x.keys(), from, to), Inputs.tokens(x.values(), from, to));
  }

  private static void checkAgainstFresh(
      AttentionKernels kernels, Inputs x, int cut, Inputs rest, PagedKvLayer grown) {
    AttentionSpec spec = AttentionSpec.full(4, 0.2f);
    try (PagedKvLayer fresh = new PagedKvLayer(grown.spec())) {
      appendRange(fresh, x, 0, cut);
      appendRange(fresh, rest, cut, grown.length());
      for (AttentionKind kind :
          new AttentionKind[] {AttentionKind.INT8, AttentionKind.INT8, AttentionKind.INT8_BF16}) {
        Inputs.Result expected = x.attend(kernels, kind, spec, fresh);
        Inputs.Result got = x.attend(kernels, kind, spec, grown);
        assertThat(got.out()).isEqualTo(expected.out());
        assertThat(got.lse()).isEqualTo(expected.lse());
      }
    }
  }

  @Test
  void wrongShapesAndLengthsAreRefused() {
    try (PagedKvLayer kv = layer(KvType.BF16)) {
      Inputs x = inputs(10);
      assertThatThrownBy(() -> kv.append(x.keys(), Inputs.tokens(x.values(), 0, 9)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("do not fit");
      assertThatThrownBy(() -> kv.truncate(1))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("0 tokens to 1");
    }
  }

  @Test
  void rotationKeepsScoresAndSpreadsAnOutlier() {
    Random random = new Random(3);
    for (int dim : new int[] {1, 8, 64, 80, 96, 128, 256}) {
      float[] a = new float[dim];
      float[] b = new float[dim];
      double before = 0;
      for (int c = 0; c < dim; c++) {
        a[c] = (float) random.nextGaussian();
        b[c] = (float) random.nextGaussian();
        before += (double) a[c] * b[c];
      }
      Rotation rotation = Rotation.of(dim);
      rotation.apply(a, 0);
      rotation.apply(b, 0);
      double after = 0;
      for (int c = 0; c < dim; c++) {
        after += (double) a[c] * b[c];
      }
      assertThat(after).isCloseTo(before, org.assertj.core.data.Offset.offset(1e-4));
    }
    float[] spike = new float[128];
    spike[77] = 100;
    Rotation.of(128).apply(spike, 0);
    assertThat(RowQuant.absMax(spike, 0, 128)).isLessThan(9);
  }

  /** Blocks of half a MiB: single ones up to 8 MiB, then eight in a chunk. */
  @Test
  void aLongStoreKeepsItsTokensWhileItGrowsByChunksAndIsCutBack() {
    int dim = 1024;
    float[] row = new float[dim];
    try (PagedKvLayer kv = new PagedKvLayer(new KvSpec(1, dim, dim, KvType.F32, null))) {
      for (int t = 0; t < 1500; t += 100) {
        appendCounting(kv, t, 100, dim, row);
      }
      kv.truncate(1100);
      appendCounting(kv, 1100, 300, dim, row);
      assertThat(kv.length()).isEqualTo(1400);
      assertThat(kv.byteSize()).isEqualTo(22L * 64 * dim * 2 * 4);
      for (int t = 0; t < 1400; t += 7) {
        assertThat(kv.keyCode(0, t, t % dim)).isEqualTo(t);
        assertThat(kv.valueCode(0, t, dim - 1)).isEqualTo(-t);
      }
      kv.truncate(0);
      assertThat(kv.byteSize()).isZero();
      appendCounting(kv, 0, 3, dim, row);
      assertThat(kv.keyCode(0, 2, 5)).isEqualTo(2);
    }
  }

  private static void appendCounting(PagedKvLayer kv, int first, int tokens, int dim, float[] row) {
    try (Arena arena = Arena.ofConfined()) {
      Tensor keys = Tensor.allocate(arena, DType.F32, tokens, 1, dim);
      Tensor values = Tensor.allocate(arena, DType.F32, tokens, 1, dim);
      for (int t = 0; t < tokens; t++) {
        Arrays.fill(row, first + t);
        MemorySegment.copy(row, 0, keys.segment(), ValueLayout.JAVA_FLOAT, 4L * t * dim, dim);
        Arrays.fill(row, -(first + t));
        MemorySegment.copy(row, 0, values.segment(), ValueLayout.JAVA_FLOAT, 4L * t * dim, dim);
      }
      kv.append(keys, values);
    }
  }
}
