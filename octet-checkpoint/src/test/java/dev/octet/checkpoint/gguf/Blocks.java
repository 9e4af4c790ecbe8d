package dev.octet.checkpoint.gguf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/** Blocks of random codes under sound scales, and files of them. */
final class Blocks {
  private Blocks() {}

  static byte[] random(GgufType type, int count, Random random) {
    byte[] blocks = new byte[count * type.blockBytes()];
    random.nextBytes(blocks);
    for (int i = 0; i < count; i++) {
      for (int at : scales(type)) {
        float scale = (random.nextFloat() - 0.4f) * 0.1f;
        Bytes.putF16(blocks, i * type.blockBytes() + at, scale);
      }
    }
    return blocks;
  }

  /** Where a block has F16 numbers. */
  private static int[] scales(GgufType type) {
    return switch (type) {
      case Q4_1, Q5_1, Q4_K, Q5_K -> new int[] {0, 2};
      case Q2_K -> new int[] {80, 82};
      case Q3_K -> new int[] {108};
      case Q6_K -> new int[] {208};
      default -> new int[] {0};
    };
  }

  /** A file of one tensor {@code a}, of any type. */
  static void write(Path file, GgufType type, byte[] data, long rows, long columns)
      throws IOException {
    GgufEntries out = new GgufEntries().u32(0x46554747).u32(3).u64(1).u64(0);
    out.string("a").u32(2).u64(columns).u64(rows).u32(type.id()).u64(0);
    byte[] header = out.bytes();
    byte[] all = Arrays.copyOf(header, (header.length + 31) / 32 * 32 + data.length);
    System.arraycopy(data, 0, all, all.length - data.length, data.length);
    Files.write(file, all);
  }
}
