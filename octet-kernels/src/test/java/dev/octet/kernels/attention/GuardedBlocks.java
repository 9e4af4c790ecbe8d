package dev.octet.kernels.attention;

import dev.octet.kernels.GuardPages;
import java.lang.foreign.MemorySegment;

/** Blocks of caches each of which ends at a guard page; they live as long as the pages. */
record GuardedBlocks(GuardPages pages) implements KvMemory {
  @Override
  public MemorySegment take(long bytes) {
    return pages.allocate(bytes);
  }

  @Override
  public void give(MemorySegment block) {}
}
