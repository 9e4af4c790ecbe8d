package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Four-bit codes in pairs down the rows: byte [i, j] holds rows 2i (low nibble) and 2i+1 of column
 * j. An odd last row leaves the high nibbles of its bytes unused.
 */
public final class RowPairs {
  private static final long LOW = 0x0F0F0F0F0F0F0F0FL;

  /** The low byte of every pair of bytes. */
  private static final long EVEN = 0x00FF00FF00FF00FFL;

  private RowPairs() {}

  /**
   * Row pairs to canonical nibbles, which pair columns.
   *
   * @param pairs bytes [⌈rows/2⌉, k]
   * @return U8 [rows, ⌈k/2⌉]
   */
  public static Tensor unpack(Tensor pairs, long rows) {
    long k = pairs.dim(1);
    long width = (k + 1) / 2;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, rows, width);
    for (long r = 0; r < rows; r++) {
      narrow(pairs.segment(), r / 2 * k, k, r % 2 == 0 ? 0 : 4, out.segment(), r * width);
    }
    return out;
  }

  /** Gathers the nibbles at bit {@code shift} of {@code k} bytes. */
  private static void narrow(
      MemorySegment from, long at, long k, int shift, MemorySegment to, long target) {
    long j = 0;
    for (; j + 8 <= k; j += 8) {
      long codes = from.get(JAVA_LONG_UNALIGNED, at + j) >>> shift & LOW;
      long packed = Long.compress(codes | codes >>> 4, EVEN);
      to.set(JAVA_INT_UNALIGNED, target + j / 2, (int) packed);
    }
    for (; j < k; j += 2) {
      int even = from.get(JAVA_BYTE, at + j) >>> shift & 15;
      int odd = j + 1 < k ? from.get(JAVA_BYTE, at + j + 1) >>> shift & 15 : 0;
      to.set(JAVA_BYTE, target + j / 2, (byte) (odd << 4 | even));
    }
  }

  /**
   * The inverse of {@link #unpack}, as I8.
   *
   * @param nibbles U8 [rows, ⌈k/2⌉]
   */
  public static Tensor pack(Tensor nibbles, long k) {
    long rows = nibbles.dim(0);
    long width = nibbles.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, (rows + 1) / 2, k);
    MemorySegment from = nibbles.segment();
    for (long r = 0; r < rows; r += 2) {
      for (long j = 0; j < k; j++) {
        int shift = 4 * (int) (j & 1);
        int even = from.get(JAVA_BYTE, r * width + j / 2) >>> shift & 15;
        int odd = r + 1 < rows ? from.get(JAVA_BYTE, (r + 1) * width + j / 2) >>> shift & 15 : 0;
        out.segment().set(JAVA_BYTE, r / 2 * k + j, (byte) (odd << 4 | even));
      }
    }
    return out;
  }

  /**
   * Bytes [rows, ⌈k/2⌉] that pair columns, as canonical nibbles: the same memory, unless an odd
   * last column leaves something in the nibble beside it.
   */
  public static Tensor asNibbles(Tensor bytes, long k) {
    Tensor nibbles = Tensor.of(DType.U8, bytes.segment(), bytes.shape());
    if ((k & 1) == 0) {
      return nibbles;
    }
    Tensor copy = nibbles.to(DType.U8, Arena.ofAuto());
    for (long r = 1; r <= copy.dim(0); r++) {
      long last = r * copy.dim(1) - 1;
      copy.segment().set(JAVA_BYTE, last, (byte) (copy.segment().get(JAVA_BYTE, last) & 15));
    }
    return copy;
  }
}
