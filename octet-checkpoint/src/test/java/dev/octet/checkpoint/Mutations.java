package dev.octet.checkpoint;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import java.util.Random;

/** Random damage for fuzzing: flipped, replaced, inserted, removed bytes, and cuts. */
public final class Mutations {
  private static final byte[] TEXT = "0123456789-+.eE[]{}:,\"\\ \0".getBytes(UTF_8);

  private Mutations() {}

  /** A damaged copy. */
  public static byte[] damage(byte[] good, Random random) {
    byte[] bytes = good.clone();
    int edits = 1 + random.nextInt(3);
    for (int i = 0; i < edits && bytes.length > 0; i++) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(5)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = TEXT[random.nextInt(TEXT.length)];
        case 2 -> bytes = Arrays.copyOf(bytes, at);
        case 3 -> {
          byte[] longer = new byte[bytes.length + 1];
          System.arraycopy(bytes, 0, longer, 0, at);
          longer[at] = TEXT[random.nextInt(TEXT.length)];
          System.arraycopy(bytes, at, longer, at + 1, bytes.length - at);
          bytes = longer;
        }
        default -> bytes[at] = (byte) random.nextInt(256);
      }
    }
    return bytes;
  }
}
