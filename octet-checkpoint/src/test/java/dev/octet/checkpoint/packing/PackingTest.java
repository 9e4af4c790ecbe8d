package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.octet.checkpoint.SafetensorsFile;
import dev.octet.checkpoint.Shared;
import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PackingTest {
  @Test
  void eightCodesFromMinusEightOnMakeTheGoldenWord() {
    Tensor packed = words(1, 1, 0x76543210);
    Tensor nibbles = Packing.nibbles(packed, 8);
    for (int i = 0; i < 8; i++) {
      assertThat(Packing.code(packed.segment(), 0, i, 4, false)).isEqualTo(i - 8);
      int octet = (int) nibbles.getLong(i / 2);
      assertThat(octet << (i % 2 == 0 ? 28 : 24) >> 28).isEqualTo(i - 8);
    }
    assertThat(Packing.packNibbles(nibbles, 8).getLong(0)).isEqualTo(0x76543210);
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4, 8})
  void conformanceCodesAndZeroPointsUnpackBitExactly(int bits) {
    try (SafetensorsFile f =
        SafetensorsFile.open(Shared.path("conformance/codec_packing/expected.safetensors"))) {
      Tensor packed = f.tensor("ct" + bits + ".weight_packed");
      Tensor codes = f.tensor("ct" + bits + ".codes");
      assertThat(packed.dim(1)).isEqualTo(Packing.words(codes.dim(1), bits));
      for (long i = 0; i < codes.size(); i++) {
        long row = i / codes.dim(1) * packed.dim(1);
        assertThat(Packing.code(packed.segment(), row, i % codes.dim(1), bits, false))
            .isEqualTo((int) codes.getLong(i));
      }
      Tensor zeros = f.tensor("ct" + bits + ".zero_points");
      Tensor stored = f.tensor("ct" + bits + ".weight_zero_point");
      Tensor got = Packing.zeroPoints(stored, zeros.dim(0), bits);
      assertThat(got.toFloats()).isEqualTo(zeros.toFloats());
      if (bits != 3) {
        assertThat(Packing.packZeroPoints(got, bits).segment().mismatch(stored.segment()))
            .isEqualTo(-1);
      }
      if (bits == 8) {
        Tensor bytes = Packing.bytes(packed, codes.dim(1));
        assertThat(bytes.segment().mismatch(codes.segment())).isEqualTo(-1);
        assertThat(Packing.packBytes(bytes).segment().mismatch(packed.segment())).isEqualTo(-1);
      }
    }
  }

  @Property(tries = 60)
  void olderReleasesLeaveTheTopBitsOfWordsEmpty(
      @ForAll @IntRange(min = 1, max = 8) int bits,
      @ForAll @IntRange(min = 1, max = 70) int n,
      @ForAll long seed) {
    Random random = new Random(seed);
    int perWord = 32 / bits;
    int[] codes = random.ints(n, 0, 1 << bits).toArray();
    Tensor packed = Tensor.allocate(Arena.ofAuto(), DType.I32, 1, Packing.laneWords(n, bits));
    for (int i = 0; i < n; i++) {
      long at = (long) (i / perWord) << 2;
      int old = packed.segment().get(JAVA_INT_UNALIGNED, at);
      packed.segment().set(JAVA_INT_UNALIGNED, at, old | codes[i] << i % perWord * bits);
    }
    for (int i = 0; i < n; i++) {
      assertThat(Packing.code(packed.segment(), 0, i, bits, true))
          .isEqualTo(codes[i] - (1 << (bits - 1)));
    }
  }

  @Property(tries = 60)
  void nibblesAndBytesSurvivePackingAtEveryLength(
      @ForAll @IntRange(min = 1, max = 5) int rows,
      @ForAll @IntRange(min = 1, max = 41) int columns,
      @ForAll long seed) {
    Random random = new Random(seed);
    Tensor nibbles = random(random, DType.U8, rows, (columns + 1) / 2);
    if (columns % 2 == 1) {
      for (int r = 0; r < rows; r++) {
        long last = (r + 1L) * nibbles.dim(1) - 1;
        nibbles.setFloat(last, (int) nibbles.getLong(last) & 15);
      }
    }
    Tensor bytes = random(random, DType.I8, rows, columns);
    Tensor back = Packing.nibbles(Packing.packNibbles(nibbles, columns), columns);
    assertThat(back.segment().mismatch(nibbles.segment())).isEqualTo(-1);
    Tensor backBytes = Packing.bytes(Packing.packBytes(bytes), columns);
    assertThat(backBytes.segment().mismatch(bytes.segment())).isEqualTo(-1);
  }

  private static Tensor random(Random random, DType type, long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, shape);
    byte[] bytes = new byte[(int) t.byteSize()];
    random.nextBytes(bytes);
    t.segment().copyFrom(MemorySegment.ofArray(bytes));
    return t;
  }

  private static Tensor words(long rows, long columns, int... words) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.I32, rows, columns);
    t.segment().copyFrom(MemorySegment.ofArray(words));
    return t;
  }
}
