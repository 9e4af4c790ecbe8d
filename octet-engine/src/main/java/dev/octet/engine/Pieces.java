package dev.octet.engine;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * How the pieces of a vocabulary spell bytes, as the {@code decoder} of tokenizer.json says.
 * Working on bytes is what lets text be streamed: a code point may be spread over several tokens.
 *
 * @param byteLevel whether every character of a piece stands for one byte (GPT-2's alphabet)
 * @param space what stands for a space in a piece, or "" if nothing does
 * @param byteFallback whether {@code <0xE2>} stands for that byte
 * @param stripStart spaces to drop at the beginning of a text
 * @param dropFirstSpaces whether the text's first piece loses all its spaces (Metaspace)
 */
record Pieces(
    boolean byteLevel,
    String space,
    boolean byteFallback,
    int stripStart,
    boolean dropFirstSpaces) {
  private static final byte[] NOTHING = {};
  private static final int[] BYTE_OF_CHAR = byteOfChar();

  /** The bytes that a piece stands for. */
  byte[] bytes(String piece) {
    if (byteLevel) {
      return alphabetBytes(piece);
    }
    if (byteFallback && isByte(piece)) {
      return new byte[] {(byte) Integer.parseInt(piece, 3, 5, 16)};
    }
    String text = space.isEmpty() ? piece : piece.replace(space, " ");
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** The same for the first piece of a text. */
  byte[] firstBytes(String piece) {
    return dropFirstSpaces ? bytes(piece.replace(space, "")) : bytes(piece);
  }

  static byte[] nothing() {
    return NOTHING;
  }

  private static boolean isByte(String piece) {
    return piece.length() == 6
        && piece.startsWith("<0x")
        && piece.charAt(5) == '>'
        && Character.digit(piece.charAt(3), 16) >= 0
        && Character.digit(piece.charAt(4), 16) >= 0;
  }

  /** A piece with a character outside the alphabet (an added token) stands for itself. */
  private static byte[] alphabetBytes(String piece) {
    byte[] out = new byte[piece.length()];
    for (int i = 0; i < out.length; i++) {
      char c = piece.charAt(i);
      if (c >= BYTE_OF_CHAR.length || BYTE_OF_CHAR[c] < 0) {
        return piece.getBytes(StandardCharsets.UTF_8);
      }
      out[i] = (byte) BYTE_OF_CHAR[c];
    }
    return out;
  }

  /**
   * GPT-2's alphabet ({@code bytes_to_unicode} in its encoder.py): printable Latin-1 characters are
   * themselves, the other bytes follow from U+0100 on.
   */
  private static int[] byteOfChar() {
    int[] table = new int[0x100 + 68];
    Arrays.fill(table, -1);
    int next = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
      table[printable ? b : next++] = b;
    }
    return table;
  }
}
