package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * The bit layouts of AWQ: eight unsigned 4-bit codes a word. GEMM packs along the outputs with its
 * lanes permuted: nibble i of a word holds column {@code ORDER[i]}. GEMV packs in natural order.
 */
public final class AwqPacking {
  private static final int[] GEMM = {0, 2, 4, 6, 1, 3, 5, 7};
  private static final int[] NATURAL = {0, 1, 2, 3, 4, 5, 6, 7};

  private AwqPacking() {}

  /**
   * The codes of rows of words.
   *
   * @param words I32 [rows, words]
   * @param columns codes of a row that count
   * @param gemm whether lanes are permuted
   * @return U8 [rows, columns]
   */
  public static Tensor codes(Tensor words, long columns, boolean gemm) {
    int[] shifts = shifts(gemm);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, words.dim(0), columns);
    for (long r = 0; r < words.dim(0); r++) {
      for (long c = 0; c < columns; c++) {
        int word = words.segment().get(JAVA_INT_UNALIGNED, (r * words.dim(1) + c / 8) << 2);
        byte code = (byte) (word >>> shifts[(int) (c % 8)] & 15);
        out.segment().set(JAVA_BYTE, r * columns + c, code);
      }
    }
    return out;
  }

  /** The inverse of {@link #codes}; lanes beyond the last column are 0. */
  public static Tensor pack(Tensor codes, boolean gemm) {
    int[] shifts = shifts(gemm);
    long columns = codes.dim(1);
    Tensor out =
        Tensor.allocate(Arena.ofAuto(), DType.I32, codes.dim(0), Packing.words(columns, 4));
    for (long r = 0; r < codes.dim(0); r++) {
      for (long c = 0; c < columns; c++) {
        long at = (r * out.dim(1) + c / 8) << 2;
        int code = codes.segment().get(JAVA_BYTE, r * columns + c) & 15;
        int word = out.segment().get(JAVA_INT_UNALIGNED, at);
        out.segment().set(JAVA_INT_UNALIGNED, at, word | code << shifts[(int) (c % 8)]);
      }
    }
    return out;
  }

  /**
   * GEMM's {@code qweight} [k, ⌈n/8⌉] to canonical rows of nibbles, {@code q = u - 8}.
   *
   * @return U8 [n, ⌈k/2⌉]
   */
  public static Tensor gemmNibbles(Tensor words, long n) {
    int[] shifts = shifts(true);
    long k = words.dim(0);
    long rowBytes = (k + 1) / 2;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, n, rowBytes);
    for (long c = 0; c < words.dim(1); c++) {
      int lanes = (int) Math.min(8, n - 8 * c);
      for (long b = 0; b < rowBytes; b++) {
        int even = word(words, 2 * b, c) ^ 0x88888888;
        int odd = 2 * b + 1 < k ? word(words, 2 * b + 1, c) ^ 0x88888888 : 0;
        for (int lane = 0; lane < lanes; lane++) {
          int pair = even >>> shifts[lane] & 15 | (odd >>> shifts[lane] & 15) << 4;
          out.segment().set(JAVA_BYTE, (8 * c + lane) * rowBytes + b, (byte) pair);
        }
      }
    }
    return out;
  }

  private static int word(Tensor words, long row, long column) {
    return words.segment().get(JAVA_INT_UNALIGNED, (row * words.dim(1) + column) << 2);
  }

  /** Where the code of each of eight columns lies in its word. */
  private static int[] shifts(boolean gemm) {
    int[] order = gemm ? GEMM : NATURAL;
    int[] shifts = new int[8];
    for (int i = 0; i < 8; i++) {
      shifts[order[i]] = 4 * i;
    }
    return shifts;
  }
}
