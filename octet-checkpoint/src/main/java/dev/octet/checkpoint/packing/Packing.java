package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The bit layout of {@code pack-quantized}: codes {@code u = q + 2^(b-1)} in rows of 32-bit words,
 * low bits first. Releases since 0.9 store a row as one string of bits, so that 3-, 5-, 6- and
 * 7-bit codes span words; older ones put {@code ⌊32/b⌋} codes in a word and leave the rest empty.
 * For 1, 2, 4 and 8 bits both are the same.
 */
public final class Packing {
  private Packing() {}

  /** Words of a row as a string of bits. */
  public static long words(long codes, int bits) {
    return Math.ceilDiv(Math.multiplyExact(codes, (long) bits), 32L);
  }

  /** Words of a row of whole lanes. */
  public static long laneWords(long codes, int bits) {
    return Math.ceilDiv(codes, (long) (32 / bits));
  }

  /**
   * Whether words hold whole lanes. Where both layouts take the same number of words, the bits that
   * lanes leave empty tell: in a string of bits they are codes, and not all zero.
   *
   * @param packed rows of words
   * @param columns codes of a row
   */
  static boolean lanes(Tensor packed, long columns, int bits) {
    int perWord = 32 / bits;
    if (32 % bits == 0 || columns <= perWord) {
      return false; // one layout, two names
    }
    if (packed.dim(1) != words(columns, bits)) {
      return true;
    }
    if (packed.dim(1) != laneWords(columns, bits)) {
      return false;
    }
    for (long i = 0; i < packed.size(); i++) {
      if (packed.segment().get(JAVA_INT_UNALIGNED, i << 2) >>> perWord * bits != 0) {
        return false;
      }
    }
    return true;
  }

  /** Signed code {@code i} of a row that begins at word {@code row}. */
  static int code(MemorySegment words, long row, long i, int bits, boolean lanes) {
    int perWord = 32 / bits;
    long bit = lanes ? i / perWord * 32 + i % perWord * bits : i * bits;
    long word = row + (bit >>> 5);
    int shift = (int) (bit & 31);
    long value = words.get(JAVA_INT_UNALIGNED, word << 2) & 0xFFFFFFFFL;
    if (shift + bits > 32) {
      value |= (words.get(JAVA_INT_UNALIGNED, (word + 1) << 2) & 0xFFFFFFFFL) << 32;
    }
    return (int) (value >>> shift & (1L << bits) - 1) - (1 << (bits - 1));
  }

  /** Packed rows of any width to signed codes, one a byte. */
  public static Tensor unpack(Tensor packed, long columns, int bits) {
    long rows = packed.dim(0);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, rows, columns);
    boolean lanes = lanes(packed, columns, bits);
    for (long r = 0; r < rows; r++) {
      for (long c = 0; c < columns; c++) {
        int code = code(packed.segment(), r * packed.dim(1), c, bits, lanes);
        out.segment().set(JAVA_BYTE, r * columns + c, (byte) code);
      }
    }
    return out;
  }

  /** Packed 4-bit rows to canonical nibbles: subtracting 8 is flipping each nibble's top bit. */
  public static Tensor nibbles(Tensor packed, long columns) {
    long rows = packed.dim(0);
    long from = packed.dim(1) * 4;
    long to = (columns + 1) / 2;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, rows, to);
    for (long r = 0; r < rows; r++) {
      flip(packed.segment(), r * from, out.segment(), r * to, to, 0x8888888888888888L);
      if ((columns & 1) == 1) {
        long last = r * to + to - 1;
        out.segment().set(JAVA_BYTE, last, (byte) (out.segment().get(JAVA_BYTE, last) & 0x0F));
      }
    }
    return out;
  }

  /** Packed 8-bit rows to signed bytes. */
  public static Tensor bytes(Tensor packed, long columns) {
    long rows = packed.dim(0);
    long from = packed.dim(1) * 4;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, rows, columns);
    for (long r = 0; r < rows; r++) {
      flip(packed.segment(), r * from, out.segment(), r * columns, columns, 0x8080808080808080L);
    }
    return out;
  }

  /** Canonical nibbles to packed words; unused codes at the end of a row are 0 bits. */
  public static Tensor packNibbles(Tensor nibbles, long columns) {
    long rows = nibbles.dim(0);
    long from = nibbles.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, rows, words(columns, 4));
    long to = out.dim(1) * 4;
    for (long r = 0; r < rows; r++) {
      flip(nibbles.segment(), r * from, out.segment(), r * to, from, 0x8888888888888888L);
      if ((columns & 1) == 1) {
        long last = r * to + from - 1;
        out.segment().set(JAVA_BYTE, last, (byte) (out.segment().get(JAVA_BYTE, last) & 0x0F));
      }
    }
    return out;
  }

  /** Canonical nibbles to one signed code a byte. */
  public static Tensor spread(Tensor nibbles, long columns) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I8, nibbles.dim(0), columns);
    MemorySegment from = nibbles.segment();
    MemorySegment to = out.segment();
    for (long r = 0; r < nibbles.dim(0); r++) {
      long row = r * nibbles.dim(1);
      for (long c = 0; c < columns; c++) {
        int octet = from.get(JAVA_BYTE, row + (c >>> 1));
        to.set(JAVA_BYTE, r * columns + c, (byte) (octet << 28 - 4 * (int) (c & 1) >> 28));
      }
    }
    return out;
  }

  /**
   * Nibbles that pair two neighbouring rows to nibbles that pair two neighbouring columns.
   *
   * @param pairs [⌈rows/2⌉, columns] bytes, the even row in the low nibble
   */
  public static Tensor outputPairs(Tensor pairs, long rows) {
    long columns = pairs.dim(1);
    long rowBytes = (columns + 1) / 2;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, rows, rowBytes);
    for (long r = 0; r < rows; r++) {
      long from = r / 2 * columns;
      int shift = 4 * (int) (r & 1);
      for (long b = 0; b < rowBytes; b++) {
        int low = pairs.segment().get(JAVA_BYTE, from + 2 * b) >>> shift & 15;
        boolean pair = 2 * b + 1 < columns;
        int high = pair ? pairs.segment().get(JAVA_BYTE, from + 2 * b + 1) >>> shift & 15 : 0;
        out.segment().set(JAVA_BYTE, r * rowBytes + b, (byte) (low | high << 4));
      }
    }
    return out;
  }

  /** The inverse of {@link #spread}; −1, or the index of the first code out of range. */
  public static long gather(Tensor codes, Tensor nibbles, int min, int max) {
    MemorySegment from = codes.segment();
    MemorySegment to = nibbles.segment();
    long columns = codes.dim(1);
    for (long r = 0; r < codes.dim(0); r++) {
      long row = r * nibbles.dim(1);
      for (long c = 0; c < columns; c++) {
        int code = from.get(JAVA_BYTE, r * columns + c);
        if (code < min || code > max) {
          return r * columns + c;
        }
        int other = (c & 1) == 0 ? 0 : to.get(JAVA_BYTE, row + (c >>> 1));
        to.set(JAVA_BYTE, row + (c >>> 1), (byte) (other | (code & 15) << 4 * (int) (c & 1)));
      }
    }
    return -1;
  }

  /** Signed codes, one a byte, to packed words, for widths that divide 32. */
  public static Tensor packCodes(Tensor codes, int bits) {
    long columns = codes.dim(1);
    int perWord = 32 / bits;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, codes.dim(0), words(columns, bits));
    for (long r = 0; r < codes.dim(0); r++) {
      for (long c = 0; c < columns; c++) {
        int code = (int) codes.getLong(r * columns + c) + (1 << (bits - 1));
        long at = (r * out.dim(1) + c / perWord) << 2;
        int word = out.segment().get(JAVA_INT_UNALIGNED, at);
        out.segment().set(JAVA_INT_UNALIGNED, at, word | code << (int) (c % perWord) * bits);
      }
    }
    return out;
  }

  /** Signed bytes to packed words. */
  public static Tensor packBytes(Tensor codes) {
    long rows = codes.dim(0);
    long columns = codes.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, rows, words(columns, 8));
    long to = out.dim(1) * 4;
    for (long r = 0; r < rows; r++) {
      flip(codes.segment(), r * columns, out.segment(), r * to, columns, 0x8080808080808080L);
    }
    return out;
  }

  private static void flip(
      MemorySegment in, long from, MemorySegment out, long to, long length, long mask) {
    long i = 0;
    for (; i + 8 <= length; i += 8) {
      out.set(JAVA_LONG_UNALIGNED, to + i, in.get(JAVA_LONG_UNALIGNED, from + i) ^ mask);
    }
    for (; i < length; i++) {
      out.set(JAVA_BYTE, to + i, (byte) (in.get(JAVA_BYTE, from + i) ^ (byte) mask));
    }
  }

  /**
   * Zero points, packed down the rows: word {@code [w, g]} holds those of rows {@code 32w/b…} of
   * group g.
   *
   * @param packed I32 [⌈rows·b/32⌉, groups] (or with whole lanes)
   * @return I16 [rows, groups], signed
   */
  public static Tensor zeroPoints(Tensor packed, long rows, int bits) {
    long groups = packed.dim(1);
    // A column becomes a row, so that one reader serves both directions.
    Tensor columnsFirst = Tensor.allocate(Arena.ofAuto(), DType.I32, groups, packed.dim(0));
    for (long g = 0; g < groups; g++) {
      for (long w = 0; w < packed.dim(0); w++) {
        int word = (int) packed.getLong(w * groups + g);
        columnsFirst.segment().set(JAVA_INT_UNALIGNED, (g * packed.dim(0) + w) << 2, word);
      }
    }
    boolean lanes = lanes(columnsFirst, rows, bits);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I16, rows, groups);
    for (long r = 0; r < rows; r++) {
      for (long g = 0; g < groups; g++) {
        int z = code(columnsFirst.segment(), g * packed.dim(0), r, bits, lanes);
        out.setFloat(r * groups + g, z);
      }
    }
    return out;
  }

  /** The inverse of {@link #zeroPoints} for widths that divide 32. */
  public static Tensor packZeroPoints(Tensor zeros, int bits) {
    long rows = zeros.dim(0);
    long groups = zeros.dim(1);
    int perWord = 32 / bits;
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, words(rows, bits), groups);
    for (long r = 0; r < rows; r++) {
      for (long g = 0; g < groups; g++) {
        int code = (int) zeros.getLong(r * groups + g) + (1 << (bits - 1));
        long at = (r / perWord * groups + g) << 2;
        int word = out.segment().get(JAVA_INT_UNALIGNED, at);
        out.segment().set(JAVA_INT_UNALIGNED, at, word | code << (int) (r % perWord) * bits);
      }
    }
    return out;
  }
}
