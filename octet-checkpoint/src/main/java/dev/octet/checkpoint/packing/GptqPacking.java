package dev.octet.checkpoint.packing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The bit layout of GPTQ: unsigned codes as one string of bits in 32-bit words, low bits first.
 * Weights run down the inputs, {@code qweight} [⌈k·b/32⌉, n]; zero points along the outputs, {@code
 * qzeros} [groups, ⌈n·b/32⌉]. Codes of 3 bits straddle words.
 */
public final class GptqPacking {
  /** Words of a column that are turned at once, so that whole cache lines of rows are written. */
  private static final int TILE = 16;

  private GptqPacking() {}

  /** Codes U8 [n, k] of {@code qweight}. */
  public static Tensor codes(Tensor words, long k, int bits) {
    long n = words.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, n, k);
    MemorySegment from = words.segment();
    MemorySegment to = out.segment();
    for (long i = 0; i < k; i++) {
      long bit = i * bits;
      long row = (bit >>> 5) * n;
      int shift = (int) (bit & 31);
      boolean straddles = shift + bits > 32;
      for (long o = 0; o < n; o++) {
        long value = word(from, row + o);
        if (straddles) {
          value |= word(from, row + n + o) << 32;
        }
        to.set(JAVA_BYTE, o * k + i, (byte) (value >>> shift & mask(bits)));
      }
    }
    return out;
  }

  /** The inverse of {@link #codes}. */
  public static Tensor packCodes(Tensor codes, int bits) {
    long n = codes.dim(0);
    long k = codes.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, Packing.words(k, bits), n);
    MemorySegment from = codes.segment();
    MemorySegment to = out.segment();
    for (long i = 0; i < k; i++) {
      long bit = i * bits;
      long row = (bit >>> 5) * n;
      int shift = (int) (bit & 31);
      for (long o = 0; o < n; o++) {
        long value = (from.get(JAVA_BYTE, o * k + i) & mask(bits)) << shift;
        or(to, row + o, (int) value);
        if (shift + bits > 32) {
          or(to, row + n + o, (int) (value >>> 32));
        }
      }
    }
    return out;
  }

  /**
   * Words of 4- or 8-bit codes to rows of canonical ones, {@code q = u - 2^(b-1)}: a word turns
   * into four bytes of a row, its top bits flipped.
   *
   * @return U8 [n, ⌈k/2⌉] of nibbles or I8 [n, k]
   */
  public static Tensor signed(Tensor words, long k, int bits) {
    long n = words.dim(1);
    long rowBytes = bits == 4 ? (k + 1) / 2 : k;
    int flip = bits == 4 ? 0x88888888 : 0x80808080;
    DType type = bits == 4 ? DType.U8 : DType.I8;
    Tensor out = Tensor.allocate(Arena.ofAuto(), type, n, rowBytes);
    MemorySegment from = words.segment();
    MemorySegment to = out.segment();
    long whole = k * bits / 32; // words of which every bit counts
    for (long tile = 0; tile < whole; tile += TILE) {
      long end = Math.min(whole, tile + TILE);
      for (long o = 0; o < n; o++) {
        for (long w = tile; w < end; w++) {
          int word = (int) word(from, w * n + o) ^ flip;
          to.set(JAVA_INT_UNALIGNED, o * rowBytes + 4 * w, word);
        }
      }
    }
    if (whole * 4 < rowBytes) {
      int used = (int) (k * bits - whole * 32);
      for (long o = 0; o < n; o++) {
        long word = (word(from, whole * n + o) ^ flip) & (1L << used) - 1;
        for (long b = whole * 4; b < rowBytes; b++, word >>>= 8) {
          to.set(JAVA_BYTE, o * rowBytes + b, (byte) word);
        }
      }
    }
    return out;
  }

  /** Zero points U8 [n, groups] of {@code qzeros}, as stored. */
  public static Tensor zeros(Tensor words, long n, int bits) {
    long groups = words.dim(0);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.U8, n, groups);
    for (long g = 0; g < groups; g++) {
      for (long o = 0; o < n; o++) {
        int signed = Packing.code(words.segment(), g * words.dim(1), o, bits, false);
        out.segment().set(JAVA_BYTE, o * groups + g, (byte) (signed + (1 << bits - 1)));
      }
    }
    return out;
  }

  /** The inverse of {@link #zeros}. */
  public static Tensor packZeros(Tensor zeros, int bits) {
    long n = zeros.dim(0);
    long groups = zeros.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, groups, Packing.words(n, bits));
    MemorySegment to = out.segment();
    for (long g = 0; g < groups; g++) {
      for (long o = 0; o < n; o++) {
        long bit = o * bits;
        long at = g * out.dim(1) + (bit >>> 5);
        int shift = (int) (bit & 31);
        long value = (zeros.segment().get(JAVA_BYTE, o * groups + g) & mask(bits)) << shift;
        or(to, at, (int) value);
        if (shift + bits > 32) {
          or(to, at + 1, (int) (value >>> 32));
        }
      }
    }
    return out;
  }

  private static long mask(int bits) {
    return (1L << bits) - 1;
  }

  private static long word(MemorySegment words, long index) {
    return words.get(JAVA_INT_UNALIGNED, index << 2) & 0xFFFFFFFFL;
  }

  private static void or(MemorySegment words, long index, int bits) {
    int before = words.get(JAVA_INT_UNALIGNED, index << 2);
    words.set(JAVA_INT_UNALIGNED, index << 2, before | bits);
  }
}
