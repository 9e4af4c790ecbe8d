package dev.octet.checkpoint.packing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.tensor.DType;
import dev.octet.tensor.ScaleGrid;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** GPTQ's and AWQ's lanes: golden words, and every layout its own inverse. */
class LanesTest {
  private static final int[] BITS = {2, 3, 4, 8};

  private static Tensor codes(long seed, int bits, long rows, long columns) {
    Random random = new Random(seed);
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.U8, rows, columns);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, random.nextInt(1 << bits));
    }
    return t;
  }

  private static Tensor same(int code, long rows, long columns) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.U8, rows, columns);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, code);
    }
    return t;
  }

  @Test
  void wordsAreThoseOfTheFormats() {
    assertThat(GptqPacking.packZeros(same(7, 8, 1), 4).getLong(0)).isEqualTo(0x77777777);
    assertThat((int) GptqPacking.packZeros(same(8, 8, 1), 4).getLong(0)).isEqualTo(0x88888888);
    assertThat(GptqPacking.packZeros(same(127, 4, 1), 8).getLong(0)).isEqualTo(0x7F7F7F7F);
    assertThat((int) GptqPacking.packZeros(same(2, 16, 1), 2).getLong(0)).isEqualTo(0xAAAAAAAA);
    Tensor ascending = Tensor.allocate(Arena.ofAuto(), DType.U8, 1, 8);
    for (int i = 0; i < 8; i++) {
      ascending.setFloat(i, i);
    }
    assertThat(AwqPacking.pack(ascending, true).getLong(0)).isEqualTo(0x75316420);
    assertThat(AwqPacking.pack(ascending, false).getLong(0)).isEqualTo(0x76543210);
    assertThat(GptqPacking.packCodes(ascending, 4).getLong(0)).isEqualTo(0x76543210);
  }

  /** Rows 10 and 21 of 3 bits straddle words: one string of 96 bits, low bits first. */
  @Test
  void threeBitsAreOneStringOfBits() {
    Tensor codes = Tensor.allocate(Arena.ofAuto(), DType.U8, 1, 32);
    codes.setFloat(10, 7);
    codes.setFloat(21, 5);
    Tensor words = GptqPacking.packCodes(codes, 3);
    assertThat((int) words.getLong(0)).isEqualTo(0b11 << 30);
    assertThat((int) words.getLong(1)).isEqualTo(1 | 1 << 31); // 5 = 101 at bit 63
    assertThat((int) words.getLong(2)).isEqualTo(0b10);
  }

  @Property(tries = 60)
  void everyGptqWidthComesBack(
      @ForAll long seed,
      @ForAll @IntRange(max = 3) int width,
      @ForAll @IntRange(min = 1, max = 40) int n,
      @ForAll @IntRange(min = 1, max = 150) int k) {
    int bits = BITS[width];
    Tensor codes = codes(seed, bits, n, k);
    Tensor words = GptqPacking.packCodes(codes, bits);
    assertThat(words.shape()).containsExactly((k * bits + 31) / 32, n);
    assertSame(GptqPacking.codes(words, k, bits), codes);
    Tensor zeros = GptqPacking.packZeros(codes, bits);
    assertThat(zeros.shape()).containsExactly(k, (n * bits + 31) / 32);
    assertSame(GptqPacking.zeros(zeros, n, bits), codes);
  }

  @Property(tries = 40)
  void turningWholeWordsGivesTheCodesOneByOne(
      @ForAll long seed,
      @ForAll boolean wide,
      @ForAll @IntRange(min = 1, max = 40) int n,
      @ForAll @IntRange(min = 1, max = 150) int k) {
    int bits = wide ? 8 : 4;
    Tensor codes = codes(seed, bits, n, k);
    Tensor rows = GptqPacking.signed(GptqPacking.packCodes(codes, bits), k, bits);
    Tensor single = wide ? rows : Packing.spread(rows, k);
    Tensor signed = Codes.signed(codes, bits);
    assertSame(single, signed);
    if (!wide) {
      assertThat(rows.segment().mismatch(Codes.nibbles(signed).segment())).isEqualTo(-1);
    }
  }

  @Property(tries = 40)
  void bothAwqLayoutsComeBack(
      @ForAll long seed,
      @ForAll boolean gemm,
      @ForAll @IntRange(min = 1, max = 40) int rows,
      @ForAll @IntRange(min = 1, max = 70) int columns) {
    Tensor codes = codes(seed, 4, rows, columns);
    assertSame(AwqPacking.codes(AwqPacking.pack(codes, gemm), columns, gemm), codes);
    Tensor nibbles = AwqPacking.gemmNibbles(AwqPacking.pack(codes, true), columns);
    Tensor turned = Codes.signed(Codes.turned(codes), 4);
    assertThat(nibbles.segment().mismatch(Codes.nibbles(turned).segment())).isEqualTo(-1);
  }

  @Property(tries = 40)
  void pairsOfOutputsBecomePairsOfInputs(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 21) int n,
      @ForAll @IntRange(min = 1, max = 33) int k) {
    Tensor codes = codes(seed, 4, n, k);
    Tensor pairs = Tensor.allocate(Arena.ofAuto(), DType.U8, (n + 1) / 2, k);
    for (int o = 0; o < n; o++) {
      for (int i = 0; i < k; i++) {
        long at = (long) (o / 2) * k + i;
        long code = codes.getLong((long) o * k + i);
        pairs.setFloat(at, (float) (pairs.getLong(at) | code << 4 * (o % 2)));
      }
    }
    Tensor out = Packing.outputPairs(pairs, n);
    for (int o = 0; o < n; o++) {
      for (int i = 0; i < k; i++) {
        long pair = out.getLong(o * out.dim(1) + i / 2);
        assertThat(pair >>> 4 * (i % 2) & 15).isEqualTo(codes.getLong((long) o * k + i));
      }
    }
  }

  @Property(tries = 60)
  void columnsAreSortedIntoBlocksThatLieInOneGroupEach(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 60) int k,
      @ForAll @IntRange(min = 1, max = 12) int group,
      @ForAll boolean regular) {
    Random random = new Random(seed);
    int groups = (int) ScaleGrid.blocks(k, group);
    int[] index = new int[k];
    for (int i = 0; i < k; i++) {
      index[i] = regular ? i / group : random.nextInt(groups);
    }
    if (regular) {
      for (int i = k - 1; i > 0; i--) {
        int j = random.nextInt(i + 1);
        int swapped = index[i];
        index[i] = index[j];
        index[j] = swapped;
      }
    }
    Columns columns = Columns.of(index, groups, group);
    if (regular) {
      assertThat(columns.block()).isEqualTo(group);
    }
    boolean[] seen = new boolean[k];
    for (int j = 0; j < k; j++) {
      int input = columns.order() == null ? j : (int) columns.order().getLong(j);
      assertThat(seen[input]).isFalse();
      seen[input] = true;
      assertThat(columns.groups()[(int) (j / columns.block())]).isEqualTo(index[input]);
    }
    if (columns.order() != null && regular) {
      Tensor back = Columns.groups(columns.order(), columns.block());
      for (int i = 0; i < k; i++) {
        assertThat(back.getLong(i)).isEqualTo(index[i]);
      }
    }
  }

  private static void assertSame(Tensor got, Tensor want) {
    assertThat(got.shape()).containsExactly(want.shape());
    for (long i = 0; i < want.size(); i++) {
      assertThat(got.getLong(i)).as("element %d", i).isEqualTo(want.getLong(i));
    }
  }
}
