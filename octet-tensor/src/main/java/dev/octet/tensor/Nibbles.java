package dev.octet.tensor;

import java.util.Objects;

/**
 * Two's-complement 4-bit integers, two a byte: the low nibble holds the even index, so that (1, −2)
 * is {@code 0xE1}. Of an odd count the last high nibble is 0.
 */
public final class Nibbles {
  public static final int MIN = -8;
  public static final int MAX = 7;

  private Nibbles() {}

  /** The byte that holds both; bits above the low four are dropped. */
  public static byte pair(int even, int odd) {
    return (byte) (odd << 4 | even & 0xF);
  }

  /** The even-indexed integer of a byte. */
  public static int low(byte pair) {
    return pair << 28 >> 28;
  }

  /** The odd-indexed integer of a byte. */
  public static int high(byte pair) {
    return pair >> 4;
  }

  /** Bytes that {@code count} integers take. */
  public static int bytes(int count) {
    return (count >>> 1) + (count & 1);
  }

  /**
   * Packs the first {@code count} codes into the first {@code ⌈count/2⌉} bytes.
   *
   * @throws IllegalArgumentException for a code outside −8…7, naming its index
   */
  public static void pack(byte[] codes, int count, byte[] packed) {
    Objects.checkFromIndexSize(0, count, codes.length);
    Objects.checkFromIndexSize(0, bytes(count), packed.length);
    int outside = 0;
    for (int i = 0; i < count; i++) {
      outside |= codes[i] + 8 & ~0xF;
    }
    if (outside != 0) {
      throw outside(codes, count);
    }
    int pairs = count >>> 1;
    for (int i = 0; i < pairs; i++) {
      packed[i] = pair(codes[2 * i], codes[2 * i + 1]);
    }
    if ((count & 1) != 0) {
      packed[pairs] = pair(codes[count - 1], 0);
    }
  }

  /** Unpacks {@code count} codes from the first {@code ⌈count/2⌉} bytes. */
  public static void unpack(byte[] packed, int count, byte[] codes) {
    Objects.checkFromIndexSize(0, bytes(count), packed.length);
    Objects.checkFromIndexSize(0, count, codes.length);
    for (int i = 0; i < count; i++) {
      byte pair = packed[i >>> 1];
      codes[i] = (byte) ((i & 1) == 0 ? low(pair) : high(pair));
    }
  }

  private static IllegalArgumentException outside(byte[] codes, int count) {
    int i = 0;
    while (i < count - 1 && codes[i] >= MIN && codes[i] <= MAX) {
      i++;
    }
    return new IllegalArgumentException("code " + codes[i] + " at " + i + " is no int4");
  }
}
