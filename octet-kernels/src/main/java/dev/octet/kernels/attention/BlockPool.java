package dev.octet.kernels.attention;

import dev.octet.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * Blocks cut from chunks that whole pages of 2 MiB fit into, for all caches that share the pool. A
 * layer's cache is small, a model's is not, and every decode step comes back to all of it after the
 * weights have passed through the processor's caches: in pages of 4 KiB most heads of most blocks
 * then begin with a walk through the page tables. A chunk holds blocks of one size and is freed
 * when all of them have been given back and another chunk of that size has been emptied since.
 */
public final class BlockPool implements KvMemory, AutoCloseable {
  private static final long CHUNK = 4L << 20;

  /** Gives the memory of a chunk. */
  @FunctionalInterface
  public interface Source {
    /** Zeros, aligned to 64 bytes at least, freed with the arena. */
    MemorySegment allocate(long bytes, Arena arena);
  }

  private final Source source;

  /** Chunks by their addresses. */
  private final TreeMap<Long, Chunk> chunks = new TreeMap<>();

  /** Those that have a block to give, by the size of their blocks. */
  private final Map<Long, Deque<Chunk>> open = new HashMap<>();

  /** The chunk of a size that became empty last: who comes next may want as much. */
  private final Map<Long, Chunk> idle = new HashMap<>();

  private boolean closed;

  public BlockPool(Source source) {
    this.source = source;
  }

  @Override
  public synchronized MemorySegment take(long bytes) {
    Deque<Chunk> candidates = open.computeIfAbsent(bytes, _ -> new ArrayDeque<>());
    if (candidates.isEmpty()) {
      Chunk made = new Chunk(source, bytes);
      chunks.put(made.memory.address(), made);
      candidates.push(made);
    }
    Chunk chunk = candidates.element();
    MemorySegment block = chunk.take();
    idle.remove(bytes, chunk);
    if (chunk.isFull()) {
      candidates.pop();
    }
    return block;
  }

  @Override
  public synchronized void give(MemorySegment block) {
    Map.Entry<Long, Chunk> below = chunks.floorEntry(block.address());
    if (below == null || !below.getValue().holds(block)) {
      throw new IllegalArgumentException("a block that was not taken from this pool");
    }
    Chunk chunk = below.getValue();
    Deque<Chunk> candidates = open.computeIfAbsent(chunk.blockBytes, _ -> new ArrayDeque<>());
    if (chunk.isFull()) {
      candidates.push(chunk);
    }
    chunk.give(block);
    if (chunk.isEmpty()) {
      Chunk before = closed ? chunk : idle.put(chunk.blockBytes, chunk);
      if (before != null) {
        free(before);
      }
    }
  }

  private void free(Chunk chunk) {
    Objects.requireNonNull(open.get(chunk.blockBytes)).remove(chunk);
    chunks.remove(chunk.memory.address());
    chunk.arena.close();
  }

  /** Keeps no memory for later from now on; blocks that are in use stay until they are given. */
  @Override
  public synchronized void close() {
    closed = true;
    idle.values().forEach(this::free);
    idle.clear();
  }

  /** Bytes of all chunks. */
  synchronized long byteSize() {
    return chunks.values().stream().mapToLong(chunk -> chunk.memory.byteSize()).sum();
  }

  private static final class Chunk {
    private final Arena arena = Arena.ofShared();
    private final long blockBytes;

    /** From one block to the next. */
    private final long stride;

    private final MemorySegment memory;
    private final int blocks;
    private final BitSet taken = new BitSet();

    /** Blocks that have been used, and are not zeros any more. */
    private final BitSet touched = new BitSet();

    Chunk(Source source, long blockBytes) {
      this.blockBytes = blockBytes;
      this.stride = Math.ceilDiv(blockBytes, Tensor.ALIGNMENT) * Tensor.ALIGNMENT;
      this.blocks = (int) Math.ceilDiv(CHUNK, stride);
      try {
        this.memory = source.allocate(Math.multiplyExact(blocks, stride), arena);
      } catch (RuntimeException | Error e) {
        arena.close();
        throw e;
      }
    }

    boolean isFull() {
      return taken.cardinality() == blocks;
    }

    boolean isEmpty() {
      return taken.isEmpty();
    }

    boolean holds(MemorySegment block) {
      long offset = block.address() - memory.address();
      return block.byteSize() == blockBytes
          && offset % stride == 0
          && offset / stride < blocks
          && taken.get((int) (offset / stride));
    }

    MemorySegment take() {
      int index = taken.nextClearBit(0);
      taken.set(index);
      MemorySegment block = memory.asSlice(index * stride, blockBytes);
      if (touched.get(index)) {
        block.fill((byte) 0);
      }
      touched.set(index);
      return block;
    }

    void give(MemorySegment block) {
      taken.clear((int) ((block.address() - memory.address()) / stride));
    }
  }
}
