package dev.octet.train.bpe;

import java.nio.charset.StandardCharsets;

/**
 * The 256 printable characters that stand for the 256 bytes in a byte-level {@code tokenizer.json}
 * (GPT-2's mapping): printable Latin-1 stands for itself, everything else for U+0100 onwards.
 */
final class ByteAlphabet {
  private static final char[] OF_BYTE = new char[256];
  private static final int[] IN_ORDER = new int[256];

  static {
    int at = 0;
    int next = 256;
    for (int b = 0; b < 256; b++) {
      if (printable(b)) {
        OF_BYTE[b] = (char) b;
        IN_ORDER[at++] = b;
      }
    }
    for (int b = 0; b < 256; b++) {
      if (!printable(b)) {
        OF_BYTE[b] = (char) next++;
        IN_ORDER[at++] = b;
      }
    }
  }

  private ByteAlphabet() {}

  private static boolean printable(int b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  }

  /** The byte that comes at a place of the vocabulary: printable ones first. */
  static int byteAt(int place) {
    return IN_ORDER[place];
  }

  /** Bytes as the characters that stand for them. */
  static String encode(byte[] bytes) {
    char[] out = new char[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      out[i] = OF_BYTE[bytes[i] & 0xFF];
    }
    return new String(out);
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
