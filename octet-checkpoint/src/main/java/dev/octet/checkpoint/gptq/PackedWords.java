package dev.octet.checkpoint.gptq;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.octet.tensor.DType;
import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;

/**
 * Codes in words of another width than 32 bits, as GPTQModel's {@code pack_dtype} allows, in words
 * of 32. Lanes of 2, 4 and 8 bits make one string of bits whatever the width. What the tensors'
 * type says counts, not the setting.
 */
final class PackedWords {
  private PackedWords() {}

  /** Words [rows, n] that run down columns; I32 ones, and what makes no whole ones, as they are. */
  static Tensor byColumns(Tensor words, int bits) {
    int width = width(words, bits);
    if (width == 0 || words.dim(0) * width % Integer.BYTES != 0) {
      return words;
    }
    long rows = words.dim(0);
    long n = words.dim(1);
    Tensor out = Tensor.allocate(Arena.ofAuto(), DType.I32, rows * width / Integer.BYTES, n);
    for (long r = 0; r < rows; r++) {
      for (int b = 0; b < width; b++) {
        long at = r * width + b;
        long first = at / Integer.BYTES * n * Integer.BYTES + at % Integer.BYTES;
        for (long o = 0; o < n; o++) {
          byte value = words.segment().get(JAVA_BYTE, (r * n + o) * width + b);
          out.segment().set(JAVA_BYTE, first + o * Integer.BYTES, value);
        }
      }
    }
    return out;
  }

  /** Words [groups, columns] that run along rows, a view. */
  static Tensor byRows(Tensor words, int bits) {
    int width = width(words, bits);
    if (width == 0 || words.dim(1) * width % Integer.BYTES != 0) {
      return words;
    }
    return Tensor.of(
        DType.I32, words.segment(), words.dim(0), words.dim(1) * width / Integer.BYTES);
  }

  /** Bytes of a word that is not of 32 bits; 0 if it is, or is none. */
  private static int width(Tensor words, int bits) {
    if (words.rank() != 2 || !words.isContiguous() || bits == 3) {
      return 0;
    }
    return switch (words.dtype()) {
      case I8 -> 1;
      case I16 -> 2;
      case I64 -> 8;
      default -> 0;
    };
  }
}
