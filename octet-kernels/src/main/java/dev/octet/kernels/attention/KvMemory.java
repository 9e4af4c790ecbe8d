package dev.octet.kernels.attention;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Where the blocks of a long cache lie. */
@FunctionalInterface
public interface KvMemory {
  /** Zeros, aligned to 64 bytes at least, freed with the arena. */
  MemorySegment allocate(long bytes, Arena arena);
}
