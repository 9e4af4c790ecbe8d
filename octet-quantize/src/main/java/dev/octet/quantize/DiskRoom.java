package dev.octet.quantize;

import dev.octet.checkpoint.CheckpointException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whether a checkpoint fits the disk, asked before hours of work. */
public final class DiskRoom {
  /** Headers, JSON, tokenizer, and one shard that exists twice while it is gathered. */
  private static final long EXTRA = 64L << 20;

  private DiskRoom() {}

  /**
   * @throws CheckpointException if {@code bytes} of tensors do not fit where {@code out} is to be
   */
  public static void require(Path out, long bytes) {
    Path at = out.toAbsolutePath().normalize();
    while (at.getParent() != null && !Files.exists(at)) {
      at = at.getParent();
    }
    try {
      long free = Files.getFileStore(at).getUsableSpace();
      long needed = bytes + Math.min(bytes, 5L << 30) + EXTRA;
      if (free < needed) {
        throw new CheckpointException(
            "%s: writing takes about %s, %s are free"
                .formatted(out, MemorySize.of(needed), MemorySize.of(free)));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
