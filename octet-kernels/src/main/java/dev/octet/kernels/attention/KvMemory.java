package dev.octet.kernels.attention;

import java.lang.foreign.MemorySegment;

/** Where the blocks of caches lie. Several threads may use it at once. */
public interface KvMemory {
  /** A block of zeros, aligned to 64 bytes at least, until it is given back. */
  MemorySegment take(long bytes);

  /** Gives back a block that was taken here; whoever did must not touch it any more. */
  void give(MemorySegment block);
}
