package dev.octet.kernels.attention;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The blocks of a store, one after another. */
final class BlockMemory implements AutoCloseable {
  private final long blockBytes;
  private final KvMemory memory;
  private final List<MemorySegment> blocks = new ArrayList<>();

  BlockMemory(long blockBytes, KvMemory memory) {
    this.blockBytes = blockBytes;
    this.memory = memory;
  }

  MemorySegment block(int block) {
    return blocks.get(block);
  }

  /** Makes room for {@code count} blocks. */
  void grow(int count) {
    while (blocks.size() < count) {
      blocks.add(memory.take(blockBytes));
    }
  }

  /** Gives back all but the first {@code count} blocks. */
  void shrink(int count) {
    while (blocks.size() > count) {
      memory.give(blocks.removeLast());
    }
  }

  @Override
  public void close() {
    shrink(0);
  }
}
