package dev.octet.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
  private static Tensor counting(long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F32, shape);
    for (long i = 0; i < t.size(); i++) {
      t.setFloat(i, (float) i);
    }
    return t;
  }

  @Test
  void columnRangesAreViewsThatReadAndWriteTheirRowsOnly() {
    Tensor t = counting(3, 5);
    Tensor view = t.columnRange(1, 4);
    assertThat(view.isContiguous()).isFalse();
    assertThat(view.toFloats()).containsExactly(1, 2, 3, 6, 7, 8, 11, 12, 13);
    float[] part = new float[4];
    view.copyRange(2, part);
    assertThat(part).containsExactly(3, 6, 7, 8);
    assertThat(view.rowRange(1, 3).row(1).toFloats()).containsExactly(11, 12, 13);
    view.setFloat(8, -1);
    assertThat(t.getFloat(13)).isEqualTo(-1);
    assertThat(view.contiguous(Arena.ofAuto()).toFloats()).isEqualTo(view.toFloats());
    assertThatThrownBy(() -> view.reshape(9)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aStridedCopyOfTheSameTypeLosesNothing() {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F64, 2, 3);
    t.segment().set(java.lang.foreign.ValueLayout.JAVA_DOUBLE, 8, Math.PI);
    Tensor copy = t.columnRange(1, 3).to(DType.F64, Arena.ofAuto());
    assertThat(copy.segment().get(java.lang.foreign.ValueLayout.JAVA_DOUBLE, 0)).isEqualTo(Math.PI);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64", "F8_E4M3", "F8_E5M2"})
  void smallWholeNumbersSurviveEveryType(DType type) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), type, 3, 3);
    for (int i = 0; i < 9; i++) {
      t.setFloat(i, i - 4);
    }
    assertThat(t.toFloats()).containsExactly(-4, -3, -2, -1, 0, 1, 2, 3, 4);
    assertThat(t.to(DType.F32, Arena.ofAuto()).toFloats()).isEqualTo(t.toFloats());
    assertThat(t.columnRange(1, 2).toFloats()).containsExactly(-3, 0, 3);
  }

  @Test
  void indexesOutsideAreRefused() {
    Tensor t = counting(2, 3);
    Tensor view = t.columnRange(0, 2);
    for (long i : new long[] {-1, 6, Long.MAX_VALUE, Long.MIN_VALUE}) {
      assertThatThrownBy(() -> t.getFloat(i)).isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> view.setFloat(i, 1)).isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> t.copyRange(i, new float[2]))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
    assertThatThrownBy(() -> t.rowRange(1, 3)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> t.columnRange(-1, 2)).isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void shapesThatOverflowOrDoNotFitAreRefused() {
    Arena arena = Arena.ofAuto();
    assertThatThrownBy(() -> Tensor.byteSize(DType.F32, 1L << 40, 1L << 40))
        .isInstanceOf(ArithmeticException.class);
    assertThatThrownBy(() -> Tensor.byteSize(DType.F32, 1L << 61))
        .isInstanceOf(ArithmeticException.class);
    assertThatThrownBy(() -> Tensor.byteSize(DType.F32, 2, -1))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Tensor.byteSize(DType.I4, 3)).isInstanceOf(ArithmeticException.class);
    assertThatThrownBy(() -> Tensor.of(DType.F32, arena.allocate(12), 2, 2))
        .hasMessageContaining("takes 16 bytes");
  }

  @Test
  void aClosedArenaEndsItsTensors() {
    Tensor t;
    try (Arena arena = Arena.ofConfined()) {
      t = Tensor.ofFloats(arena, new float[] {1, 2}, 2);
      assertThat(t.getFloat(1)).isEqualTo(2);
    }
    assertThatThrownBy(() -> t.getFloat(1)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(t::toFloats).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void nanIsStoredAsNoInteger() {
    for (DType type : new DType[] {DType.I8, DType.U8, DType.I16, DType.I32, DType.I64}) {
      Tensor t = Tensor.allocate(Arena.ofAuto(), type, 1);
      assertThatThrownBy(() -> t.setFloat(0, Float.NaN)).isInstanceOf(ArithmeticException.class);
    }
  }

  @Test
  void elementsBeyondTwoToTheThirtyOneAreReached(@TempDir Path dir) throws IOException {
    long rows = (1L << 31) + 5;
    Path file = dir.resolve("sparse");
    try (FileChannel channel =
            FileChannel.open(
                file,
                StandardOpenOption.CREATE_NEW,
                StandardOpenOption.SPARSE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        Arena arena = Arena.ofConfined()) {
      channel.write(ByteBuffer.wrap(new byte[] {7}), 2 * rows - 1);
      var segment = channel.map(FileChannel.MapMode.READ_ONLY, 0, 2 * rows, arena);
      Tensor t = Tensor.of(DType.I8, segment, rows, 2);
      assertThat(t.getLong(2 * rows - 1)).isEqualTo(7);
      assertThat(t.getFloat(2 * rows - 2)).isZero();
      assertThat(t.row(rows - 1).toFloats()).containsExactly(0, 7);
      assertThat(t.columnRange(1, 2).getLong(rows - 1)).isEqualTo(7);
      float[] last = new float[3];
      t.copyRange(2 * rows - 3, last);
      assertThat(last).containsExactly(0, 0, 7);
      assertThatThrownBy(t::toFloats).isInstanceOf(ArithmeticException.class);
    }
  }
}
