package dev.octet.kernels.attention;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.octet.kernels.Kernels;
import dev.octet.kernels.KvLayer;
import dev.octet.kernels.KvSpec;
import dev.octet.kernels.KvType;
import dev.octet.kernels.RotaryTable;
import dev.octet.kernels.RotaryTables;
import dev.octet.kernels.StaticKvScales;
import dev.octet.kernels.TestKernels;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Keys that turn on their way into the cache are stored as those that turned before. */
class TurnedAppendTest {
  /** Tokens at a time: within and across the first block, one, many. */
  private static final int[] CHUNKS = {1, 40, 30, 1, 7, 70, 150};

  private record Shape(int heads, int keyDim, int valueDim, int rotated) {}

  private static final List<Shape> SHAPES =
      List.of(
          new Shape(1, 8, 8, 8),
          new Shape(3, 24, 24, 16),
          new Shape(2, 37, 41, 22),
          new Shape(2, 64, 32, 64),
          new Shape(2, 128, 128, 128));

  static Stream<String> providers() {
    return TestKernels.all().stream();
  }

  @ParameterizedTest
  @MethodSource("providers")
  void everyCacheTypeStoresTheSameBits(String provider) {
    try (Kernels kernels = TestKernels.create(provider, 2)) {
      for (Shape shape : SHAPES) {
        for (KvType type : KvType.values()) {
          check(kernels, shape, type, null);
        }
        for (KvType type : List.of(KvType.INT8, KvType.FP8_E4M3)) {
          check(kernels, shape, type, scales(type));
        }
      }
    }
  }

  private static StaticKvScales scales(KvType type) {
    float[] scale = {0.03f};
    return type == KvType.INT8
        ? new StaticKvScales(scale, scale, new float[] {3}, new float[] {-7})
        : new StaticKvScales(scale, scale);
  }

  private static void check(
      Kernels kernels, Shape shape, KvType type, @Nullable StaticKvScales scales) {
    String what = shape + " " + type + (scales == null ? "" : " static");
    KvSpec spec = new KvSpec(shape.heads(), shape.keyDim(), shape.valueDim(), type, scales);
    double[] inverse = RotaryTables.standard(shape.rotated(), 10_000).inverse();
    RotaryTable table = new RotaryTable(inverse, 1.25);
    Random random = new Random(what.hashCode());
    try (PagedKvLayer turned = PagedKvLayer.of(kernels.attention().newKvLayer(spec));
        PagedKvLayer other = PagedKvLayer.of(kernels.attention().newKvLayer(spec))) {
      for (int chunk : CHUNKS) {
        append(kernels, random, table, consecutive(turned.length(), chunk), turned, other);
        requireSame(what, turned, other);
      }
      for (int length : new int[] {130, 64, 63, 0}) { // into the first block and out of it again
        turned.truncate(length);
        other.truncate(length);
        append(kernels, random, table, consecutive(length, 20), turned, other);
        requireSame(what, turned, other);
      }
      append(kernels, random, table, consecutive(500, 90), turned, other);
      append(kernels, random, table, new int[] {9, 3, 3, 700}, turned, other);
      append(kernels, random, table, new int[0], turned, other);
      requireSame(what, turned, other);
    }
  }

  private static int[] consecutive(int from, int count) {
    return IntStream.range(from, from + count).toArray();
  }

  private static void append(
      Kernels kernels,
      Random random,
      RotaryTable table,
      int[] positions,
      PagedKvLayer turned,
      PagedKvLayer other) {
    KvSpec spec = turned.spec();
    Tensor keys = Inputs.normal(random, positions.length, spec.heads(), spec.keyDim());
    Tensor values = Inputs.normal(random, positions.length, spec.heads(), spec.valueDim());
    Tensor before = Inputs.tokens(keys, 0, positions.length);
    kernels.rope(before, positions, table);
    other.append(before, values);
    kernels.append(turned, keys, values, positions, table);
  }

  private static void requireSame(String what, PagedKvLayer got, PagedKvLayer expected) {
    assertThat(got.length()).as(what).isEqualTo(expected.length());
    assertThat(got.mean()).as(what).isEqualTo(expected.mean());
    for (int block = 0; block < expected.blocks(); block++) {
      if (got.block(block).mismatch(expected.block(block)) >= 0) {
        assertThat(got.block(block).toArray(JAVA_BYTE))
            .as("%s, block %s", what, block)
            .isEqualTo(expected.block(block).toArray(JAVA_BYTE));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void keysInJavaArraysTurnToo(String provider) {
    RotaryTable table = RotaryTables.standard(4, 100);
    float[] row = {1, 2, 3, 4, 5, 6, 7, 8};
    Tensor native1 = Tensor.ofFloats(row, 2, 1, 4);
    Tensor heap = Tensor.of(DType.F32, MemorySegment.ofArray(row.clone()), 2, 1, 4);
    KvSpec spec = new KvSpec(1, 4, 4, KvType.F32, null);
    try (Kernels kernels = TestKernels.create(provider, 1);
        KvLayer a = kernels.attention().newKvLayer(spec);
        KvLayer b = kernels.attention().newKvLayer(spec)) {
      Tensor values = Tensor.ofFloats(row, 2, 1, 4);
      kernels.append(a, heap, values, new int[] {5, 6}, table);
      kernels.append(b, native1, values, new int[] {5, 6}, table);
      assertThat(codes(a)).containsExactly(codes(b));
    }
  }

  private static float[] codes(KvLayer layer) {
    PagedKvLayer kv = PagedKvLayer.of(layer);
    float[] codes = new float[8];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = kv.keyCode(0, i / 4, i % 4);
    }
    return codes;
  }

  @ParameterizedTest
  @MethodSource("providers")
  void whatDoesNotFitIsRefusedAndNothingStored(String provider) {
    RotaryTable table = RotaryTables.standard(8, 100);
    KvSpec spec = new KvSpec(1, 8, 8, KvType.BF16, null);
    Tensor x = Tensor.ofFloats(new float[16], 2, 1, 8);
    Tensor narrow = Tensor.ofFloats(new float[8], 2, 1, 4);
    try (Kernels kernels = TestKernels.create(provider, 1);
        KvLayer kv = kernels.attention().newKvLayer(spec)) {
      List<Runnable> wrong =
          List.of(
              () -> kernels.append(kv, x, x, new int[] {0, 1, 2}, table),
              () -> kernels.append(kv, narrow, x, new int[] {0, 1}, table),
              () -> kernels.append(kv, x, narrow, new int[] {0, 1}, table),
              () -> kernels.append(kv, x, x, new int[] {0, 1}, RotaryTables.standard(10, 100)));
      for (Runnable call : wrong) {
        assertThatThrownBy(call::run).isInstanceOf(IllegalArgumentException.class);
      }
      assertThat(kv.length()).isZero();
      assertThat(Arrays.equals(new float[16], x.toFloats())).isTrue();
    }
  }
}
