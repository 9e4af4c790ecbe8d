package dev.octet.kernels.attention;

import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;

/**
 * The memory of a store's blocks. Up to {@link #FEW} bytes each block is allocated by itself, so a
 * short cache takes no more than it holds; a longer one grows by chunks that whole pages of 2 MiB
 * fit into, since decoding reads all of it from memory for every token.
 */
final class BlockMemory implements AutoCloseable {
  private static final long FEW = 8L << 20;
  private static final long CHUNK = 4L << 20;

  private final long blockBytes;
  private final Supplier<Arena> arenas;
  private final KvMemory memory;
  private final List<MemorySegment> blocks = new ArrayList<>();
  private final Deque<Chunk> chunks = new ArrayDeque<>();

  /**
   * @param first its first block
   */
  private record Chunk(Arena arena, int first) {}

  /**
   * @param arenas one for what is allocated at a time, closed with it
   * @param memory of chunks
   */
  BlockMemory(long blockBytes, Supplier<Arena> arenas, KvMemory memory) {
    this.blockBytes = blockBytes;
    this.arenas = arenas;
    this.memory = memory;
  }

  MemorySegment block(int block) {
    return blocks.get(block);
  }

  /** Makes room for {@code count} blocks. */
  void grow(int count) {
    while (blocks.size() < count) {
      long inChunk = blocks.size() * blockBytes < FEW ? 1 : CHUNK / blockBytes;
      if (inChunk <= 1) {
        Arena arena = arenas.get();
        add(arena, arena.allocate(blockBytes, Tensor.ALIGNMENT), 1);
      } else {
        Arena arena = arenas.get();
        add(arena, memory.allocate(CHUNK, arena), inChunk);
      }
    }
  }

  /** Makes room for {@code count} blocks that are freed together: one arena costs less to close. */
  void growAtOnce(int count) {
    if (count > 0) {
      Arena arena = arenas.get();
      add(arena, memory.allocate(Math.multiplyExact(count, blockBytes), arena), count);
    }
  }

  private void add(Arena arena, MemorySegment segment, long count) {
    chunks.add(new Chunk(arena, blocks.size()));
    for (long i = 0; i < count; i++) {
      blocks.add(segment.asSlice(i * blockBytes, blockBytes));
    }
  }

  /** Frees what no block before {@code count} lies in. */
  void shrink(int count) {
    while (!chunks.isEmpty() && chunks.getLast().first() >= count) {
      Chunk last = chunks.removeLast();
      blocks.subList(last.first(), blocks.size()).clear();
      last.arena().close();
    }
  }

  @Override
  public void close() {
    shrink(0);
  }
}
